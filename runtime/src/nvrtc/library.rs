//! NVRTC's C interface, loaded at run time. The only unsafe code of the compiler's side.
//!
//! Two habits of NVRTC shape this file. It looks for its builtins library by name, which fails for a folder that the
//! system loader does not know (13.0), so the builtins are opened first, from the same folder and visible to all. And
//! after `import torch` the bare name `libnvrtc.so.13` means torch's copy, so both are opened by absolute path.
//!
//! Invariants: result codes are plain integers (a newer NVRTC may return codes that we have no name for); a library once
//! opened is never unloaded, so the function pointers stay valid.
//!
//! Source: `nvrtc.h`; CUDA's "NVRTC" manual.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr;

use super::{error, files};
use crate::Error;

#[cfg(unix)]
use libloading::os::unix::Library;
#[cfg(not(unix))]
use libloading::os::windows::Library;

type RawProgram = *mut c_void;
type Size = unsafe extern "C" fn(RawProgram, *mut usize) -> c_int;
type Fill = unsafe extern "C" fn(RawProgram, *mut c_char) -> c_int;
type Strings = *const *const c_char;
type Create =
    unsafe extern "C" fn(*mut RawProgram, *const c_char, *const c_char, c_int, Strings, Strings) -> c_int;

/// The functions of NVRTC that we call.
#[derive(Clone, Copy)]
pub(super) struct Api {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int,
    error_string: unsafe extern "C" fn(c_int) -> *const c_char,
    arch_count: unsafe extern "C" fn(*mut c_int) -> c_int,
    archs: unsafe extern "C" fn(*mut c_int) -> c_int,
    create: Create,
    destroy: unsafe extern "C" fn(*mut RawProgram) -> c_int,
    compile: unsafe extern "C" fn(RawProgram, c_int, Strings) -> c_int,
    log_size: Size,
    log: Fill,
    ptx_size: Size,
    ptx: Fill,
    cubin_size: Size,
    cubin: Fill,
}

impl Api {
    /// Opens the library at an absolute path, its builtins first. The error is a sentence for the search's report.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let builtins = files::builtins_beside(path);
        if builtins.is_empty() {
            return Err(format!("{} has no libnvrtc-builtins beside it", path.display()));
        }
        for builtins in builtins {
            let _stays = open_for_good(&builtins, true)?;
        }
        let library = open_for_good(path, false)?;
        Self::of(&library)
    }

    /// Opens the library that the system loader knows by this name.
    pub(super) fn open_by_name(name: &str) -> Result<Self, String> {
        let library = open_for_good(Path::new(name), false)?;
        Self::of(&library)
    }

    fn of(library: &Library) -> Result<Self, String> {
        // SAFETY: each type below is the signature in `nvrtc.h` of the function named, the same since CUDA 11.2, with
        // enums as C ints and `size_t` as `usize`.
        unsafe {
            Ok(Self {
                version: symbol(library, "nvrtcVersion")?,
                error_string: symbol(library, "nvrtcGetErrorString")?,
                arch_count: symbol(library, "nvrtcGetNumSupportedArchs")?,
                archs: symbol(library, "nvrtcGetSupportedArchs")?,
                create: symbol(library, "nvrtcCreateProgram")?,
                destroy: symbol(library, "nvrtcDestroyProgram")?,
                compile: symbol(library, "nvrtcCompileProgram")?,
                log_size: symbol(library, "nvrtcGetProgramLogSize")?,
                log: symbol(library, "nvrtcGetProgramLog")?,
                ptx_size: symbol(library, "nvrtcGetPTXSize")?,
                ptx: symbol(library, "nvrtcGetPTX")?,
                cubin_size: symbol(library, "nvrtcGetCUBINSize")?,
                cubin: symbol(library, "nvrtcGetCUBIN")?,
            })
        }
    }

    /// The version, (13, 0) for 13.0.
    pub(super) fn version(&self) -> Result<(u32, u32), Error> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both pointers are to live integers.
        let code = unsafe { (self.version)(&mut major, &mut minor) };
        self.check("nvrtcVersion", code)?;
        Ok((major.unsigned_abs(), minor.unsigned_abs()))
    }

    /// The architectures it compiles for, as numbers (90 for sm_90 and sm_90a).
    pub(super) fn archs(&self) -> Result<Vec<u32>, Error> {
        let mut count = 0;
        // SAFETY: the pointer is to a live integer.
        self.check("nvrtcGetNumSupportedArchs", unsafe { (self.arch_count)(&mut count) })?;
        let mut archs = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the array holds as many integers as the library just said that it writes.
        self.check("nvrtcGetSupportedArchs", unsafe { (self.archs)(archs.as_mut_ptr()) })?;
        Ok(archs.into_iter().map(c_int::unsigned_abs).collect())
    }

    /// Turns a result code into an error that bears NVRTC's own name for it.
    fn check(&self, function: &'static str, code: c_int) -> Result<(), Error> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: any code is allowed; the result is null or a string that lives as long as the library.
        let text = unsafe {
            let text = (self.error_string)(code);
            if text.is_null() { "unknown".into() } else { CStr::from_ptr(text).to_string_lossy() }
        };
        Err(error::call(function, &format!("{text} (code {code})")))
    }
}

/// A program handed to NVRTC; destroyed when dropped.
pub(super) struct Program<'a> {
    api: &'a Api,
    raw: RawProgram,
}

impl<'a> Program<'a> {
    /// Hands over a text; `file` is what its messages call it.
    pub(super) fn new(api: &'a Api, text: &str, file: &str) -> Result<Self, Error> {
        let text = c_string("nvrtcCreateProgram", text)?;
        let file = c_string("nvrtcCreateProgram", file)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the strings end in NUL and outlive the call (NVRTC copies them); no headers are passed, so that the
        // two arrays may be null.
        let code =
            unsafe { (api.create)(&mut raw, text.as_ptr(), file.as_ptr(), 0, ptr::null(), ptr::null()) };
        api.check("nvrtcCreateProgram", code)?;
        Ok(Self { api, raw })
    }

    /// Compiles. The inner result is NVRTC's verdict; the log is there in both cases.
    pub(super) fn compile(&self, options: &[String]) -> Result<Result<(), Error>, Error> {
        let function = "nvrtcCompileProgram";
        let options: Vec<CString> =
            options.iter().map(|option| c_string(function, option)).collect::<Result<_, _>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let Ok(count) = c_int::try_from(pointers.len()) else {
            return Err(error::call(function, "too many options"));
        };
        // SAFETY: the program is live, `pointers` holds `count` strings that end in NUL and outlive the call.
        let code = unsafe { (self.api.compile)(self.raw, count, pointers.as_ptr()) };
        Ok(self.api.check(function, code))
    }

    /// The compiler's log, errors and ptxas's report included.
    pub(super) fn log(&self) -> Result<String, Error> {
        let bytes =
            self.take(self.api.log_size, "nvrtcGetProgramLogSize", self.api.log, "nvrtcGetProgramLog")?;
        Ok(text(&bytes))
    }

    /// The PTX text.
    pub(super) fn ptx(&self) -> Result<String, Error> {
        let bytes = self.take(self.api.ptx_size, "nvrtcGetPTXSize", self.api.ptx, "nvrtcGetPTX")?;
        Ok(text(&bytes))
    }

    /// The machine code; empty when the target was a virtual architecture.
    pub(super) fn cubin(&self) -> Result<Vec<u8>, Error> {
        self.take(self.api.cubin_size, "nvrtcGetCUBINSize", self.api.cubin, "nvrtcGetCUBIN")
    }

    fn take(
        &self,
        size: Size,
        size_name: &'static str,
        fill: Fill,
        fill_name: &'static str,
    ) -> Result<Vec<u8>, Error> {
        let mut length = 0;
        // SAFETY: the program is live and the pointer is to a live integer.
        self.api.check(size_name, unsafe { size(self.raw, &mut length) })?;
        let mut bytes = vec![0u8; length];
        // SAFETY: the program is live and the buffer has the length that the library just asked for.
        self.api.check(fill_name, unsafe { fill(self.raw, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the program is live and nothing uses it afterwards.
        let _code_of_no_use = unsafe { (self.api.destroy)(&mut self.raw) };
    }
}

/// Opens a library and never unloads it.
fn open_for_good(path: &Path, visible_to_all: bool) -> Result<ManuallyDrop<Library>, String> {
    // SAFETY: opening runs the library's initialisers; NVRTC and its builtins have none with requirements on the caller.
    #[cfg(unix)]
    let library = unsafe {
        use libloading::os::unix::{RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
        Library::open(Some(path), RTLD_NOW | if visible_to_all { RTLD_GLOBAL } else { RTLD_LOCAL })
    };
    // SAFETY: as above; this loader knows no visibility.
    #[cfg(not(unix))]
    let library = unsafe { Library::new(path).inspect(|_| drop(visible_to_all)) };
    library.map(ManuallyDrop::new).map_err(|error| with_cause(&error))
}

/// Copies a function's address out of a library that stays loaded.
///
/// # Safety
/// `T` must be the function's type.
unsafe fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller vouches for the type.
    let symbol = unsafe { library.get::<T>(name.as_bytes()) };
    symbol
        .map(|symbol| *symbol)
        .map_err(|error| format!("no function `{name}` in it: {}", with_cause(&error)))
}

/// The loader's own words; `libloading` keeps them as the cause of its error.
fn with_cause(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

fn c_string(function: &'static str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| error::call(function, "the text holds a NUL byte"))
}

/// NVRTC's texts end in a NUL that is counted in their length.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
