//! A compiler that counts and dawdles, and processes that use it.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chunkwise_codegen::arch::Arch;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::{Compile, Jit, Source};
use chunkwise_runtime::nvrtc::{Binary, Code, KernelResources};
use chunkwise_runtime::{Error, Result};

/// Long enough for a process on a busy machine with two cores; only a test that fails waits for all of it.
const PATIENCE: Duration = Duration::from_secs(100);

/// A stand-in for NVRTC: notes each compilation in a file, takes its time, and makes a binary that tells the text.
pub(crate) struct Dawdler {
    pub(crate) version: Option<&'static str>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) pause: Duration,
    pub(crate) bytes: usize,
}

impl Dawdler {
    /// One that is quick and notes nothing.
    pub(crate) fn quick() -> Self {
        Self { version: Some("1.2"), log: None, pause: Duration::ZERO, bytes: 500 }
    }
}

impl Compile for Dawdler {
    fn version(&self) -> Result<String> {
        self.version.map(str::to_owned).ok_or_else(|| Error::absent("no compiler", "install one"))
    }

    fn compile(&self, source: &Source, arch: Arch) -> Result<Binary> {
        if let Some(log) = &self.log {
            let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
            writeln!(log, "{} by {}", source.name, std::process::id()).unwrap();
        }
        sleep(self.pause);
        let seed = format!("{arch} {} ", source.text);
        let resources = KernelResources { kernel: source.name.clone(), registers: 42, ..Default::default() };
        Ok(Binary {
            cubin: seed.bytes().cycle().take(self.bytes).collect(),
            ptx: format!("// {seed}\n"),
            log: "compiled\n".to_owned(),
            resources: vec![resources],
        })
    }
}

/// A small text that the real compiler takes too.
pub(crate) fn source(name: &str) -> Source {
    let text = format!("extern \"C\" __global__ void {name}(float* x) {{ x[threadIdx.x] = 1.0f; }}\n");
    Source { name: name.to_owned(), text, options: Vec::new(), code: Code::Machine }
}

/// A new memory before the folder, and a quick compiler behind it.
pub(crate) fn quick_jit(folder: &Path) -> Jit {
    Jit::new(Dawdler::quick(), Cache::at(folder))
}

/// The names of the files in a folder with this ending.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

/// A process to start, described by environment variables.
#[derive(Clone)]
pub(crate) struct Worker {
    variables: HashMap<&'static str, String>,
    program: PathBuf,
    /// What the shell does before it becomes the worker; nothing where there is no shell between.
    before: Option<&'static str>,
    /// The user who runs it.
    user: Option<u32>,
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Hashes of the binaries, in the order of the kernels asked for.
    pub(crate) binaries: Vec<String>,
    pub(crate) compilations: u64,
    pub(crate) warnings: Vec<String>,
    /// The error that ended it: exit code and text.
    pub(crate) error: Option<String>,
    pub(crate) output: Output,
}

impl Worker {
    /// Compiles these kernels, one after the other, with a cache in this folder.
    pub(crate) fn new(folder: &Path, kernels: &str) -> Self {
        let variables = HashMap::from([
            ("CHUNKWISE_CACHE_DIR", folder.to_str().unwrap().to_owned()),
            ("CHUNKWISE_TEST_KERNELS", kernels.to_owned()),
        ]);
        Self { variables, program: std::env::current_exe().unwrap(), before: None, user: None }
    }

    pub(crate) fn with(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.variables.insert(variable, value.to_string());
        self
    }

    pub(crate) fn without_cache_variable(mut self) -> Self {
        self.variables.remove("CHUNKWISE_CACHE_DIR");
        self
    }

    /// Notes each compilation in this file.
    pub(crate) fn noting(self, log: &Path) -> Self {
        self.with("CHUNKWISE_TEST_LOG", log.display())
    }

    /// How long a compilation takes.
    pub(crate) fn pausing(self, pause: Duration) -> Self {
        self.with("CHUNKWISE_TEST_PAUSE_MS", pause.as_millis())
    }

    /// How large a binary is.
    pub(crate) fn making(self, bytes: usize) -> Self {
        self.with("CHUNKWISE_TEST_BYTES", bytes)
    }

    /// With NVRTC instead of the stand-in.
    pub(crate) fn for_real(self) -> Self {
        self.with("CHUNKWISE_TEST_REAL", 1)
    }

    /// Starts only once this file exists.
    pub(crate) fn starting_at(self, go: &Path) -> Self {
        self.with("CHUNKWISE_TEST_GO", go.display())
    }

    /// In a shell that first does this.
    pub(crate) fn after(mut self, before: &'static str) -> Self {
        self.before = Some(before);
        self
    }

    /// As another user, from a copy of the program that this user may run.
    pub(crate) fn run_by(mut self, user: Option<u32>, program: PathBuf) -> Self {
        (self.user, self.program) = (user, program);
        self
    }

    pub(crate) fn start(&self) -> Running {
        let mut command = match self.before {
            None => Command::new(&self.program),
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(&self.program);
                shell
            }
        };
        command.args(["--exact", "worker", "--nocapture", "--test-threads=1"]).envs(&self.variables);
        #[cfg(unix)]
        if let Some(user) = self.user {
            use std::os::unix::process::CommandExt;
            command.uid(user).gid(user).current_dir("/");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    pub(crate) fn run(&self) -> Ended {
        self.start().end()
    }
}

/// A started process; killed when dropped, so that a failing test leaves none behind.
pub(crate) struct Running(Option<Child>);

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    /// Kills it (SIGKILL, which no process can prepare for), and waits until it is gone.
    pub(crate) fn kill(mut self) -> Output {
        self.child().kill().unwrap();
        self.0.take().unwrap().wait_with_output().unwrap()
    }

    pub(crate) fn end(mut self) -> Ended {
        // What a worker prints fits into the pipe, so that it never waits for a reader.
        wait_until("a process ends", || !self.is_running());
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The harness writes `test worker ... ` in front of the first line.
        let said = |what: &str| -> Vec<String> {
            text.lines().filter_map(|line| Some(line.split_once(what)?.1.to_owned())).collect()
        };
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended {
            binaries: said("BINARY "),
            compilations: said("COMPILED ").first().map_or(0, |count| count.parse().unwrap()),
            error: said("ERROR ").into_iter().next(),
            warnings: errors.lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect(),
            output,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _may_have_ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        sleep(Duration::from_millis(2));
    }
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// What a worker does.
pub(crate) fn work() {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(kernels) = variable("CHUNKWISE_TEST_KERNELS") else { return };
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let number = |name: &str| variable(name).map(|text| text.parse::<usize>().unwrap());
    let jit = match variable("CHUNKWISE_TEST_REAL") {
        Some(_) => Jit::user(),
        None => {
            let pause = Duration::from_millis(number("CHUNKWISE_TEST_PAUSE_MS").unwrap_or(0) as u64);
            let log = variable("CHUNKWISE_TEST_LOG").map(PathBuf::from);
            let bytes = number("CHUNKWISE_TEST_BYTES").unwrap_or(500);
            Jit::new(Dawdler { version: Some("1.2"), log, pause, bytes }, Cache::user())
        }
    };
    if let Some(go) = variable("CHUNKWISE_TEST_GO") {
        wait_until("the start", || Path::new(&go).exists());
    }
    for kernel in kernels.split(',') {
        match jit.compile(&source(kernel), Arch::Sm90) {
            Ok(binary) => println!("BINARY {}", blake3::hash(format!("{binary:?}").as_bytes())),
            Err(error) => {
                println!("ERROR {} {}", error.exit_code(), error.to_string().replace('\n', " "));
                break;
            }
        }
    }
    println!("COMPILED {}", jit.compilations());
}
