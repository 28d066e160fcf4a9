//! Tensors in files: safetensors, read without trust and written whole or not at all.
//!
//! ```no_run
//! use chunkwise_runtime::io;
//! use std::path::Path;
//! let tensors = io::read(Path::new("in.safetensors"))?;
//! io::check_output(Path::new("out.safetensors"), &[Path::new("in.safetensors")])?;
//! io::write(Path::new("out.safetensors"), &tensors)?;
//! # Ok::<(), chunkwise_runtime::Error>(())
//! ```
//!
//! Reading believes nothing a file says about itself: the header's length is checked against the file before it is read,
//! the header is checked before the tensors are read, and memory is asked for in a way that may be refused. Writing goes
//! to a new file beside the target, which is renamed over it once it is complete and on disk; whatever fails before that
//! leaves the target as it was. Format: 8 bytes of header length, a JSON header, the numbers
//! (<https://huggingface.co/docs/safetensors>).

mod header;

use crate::bind::Tensors;
use crate::error::{Error, Result};
use crate::tensor::{Data, Element, Tensor};
use safetensors::tensor::{Dtype, View};
use safetensors::{SafeTensorError, SafeTensors};
use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A path as it prints in messages.
fn named(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// Why the system refused, without its error number.
fn reason(e: &io::Error) -> String {
    match e.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        _ => e.to_string(),
    }
}

/// Reads every tensor of a safetensors file, in the order of their names.
///
/// # Errors
/// A mistake that names the file (and the tensor) where it cannot be read, is damaged, gives a name twice, or holds an
/// element type other than f64, f32, f16, bf16, i32 and i64.
pub fn read(path: &Path) -> Result<Tensors> {
    let bytes = header::read_file(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(path, &e))?;
    let mut views = file.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    views
        .into_iter()
        .map(|(name, view)| {
            let element = element_of(view.dtype()).ok_or_else(|| {
                Error::mistake(
                    format!("tensor `{name}` in {} holds {}", named(path), view.dtype()),
                    "store it as F64, F32, F16, BF16, I32 or I64",
                )
            })?;
            let tensor = Tensor::new(view.shape(), Data::from_le_bytes(element, view.data()));
            // The format's own checks make this impossible.
            Ok((name, tensor.map_err(|e| Error::bug(format!("{}: {e}", named(path))))?))
        })
        .collect()
}

/// What the format's reader found wrong.
fn damaged(path: &Path, e: &SafeTensorError) -> Error {
    let what = match e {
        SafeTensorError::InvalidHeader(_) => "its header is not UTF-8".to_string(),
        SafeTensorError::InvalidHeaderDeserialization(e) => format!("its header does not parse: {e}"),
        SafeTensorError::MetadataIncompleteBuffer => {
            "its length is not the one its header tells; it may be cut off".to_string()
        }
        SafeTensorError::InvalidOffset(name) => {
            format!("the bytes of tensor `{name}` do not follow those before it")
        }
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's shape and element type do not give its number of bytes".to_string()
        }
        SafeTensorError::ValidationOverflow => "a tensor's shape is too large for any memory".to_string(),
        other => other.to_string(),
    };
    Error::mistake(
        format!("{} is no valid safetensors file: {what}", named(path)),
        "write it again, for example with `safetensors.numpy.save_file`",
    )
}

/// The element type of a stored tensor, where it has one here.
fn element_of(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        _ => return None,
    })
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match self.element() {
            Element::F64 => Dtype::F64,
            Element::F32 => Dtype::F32,
            Element::F16 => Dtype::F16,
            Element::BF16 => Dtype::BF16,
            Element::I32 => Dtype::I32,
            Element::I64 => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        Tensor::shape(self)
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Tensor::data(self).to_le_bytes().into()
    }

    fn data_len(&self) -> usize {
        self.len() * self.element().bytes()
    }
}

/// Writes tensors as a safetensors file. The file appears whole or not at all; one that was there is replaced. Where
/// `path` is a link, the file it leads to is replaced and the link stays.
///
/// # Errors
/// A mistake that names the file where it cannot be written.
pub fn write(path: &Path, tensors: &Tensors) -> Result<()> {
    let target = target(path)?;
    let bytes = safetensors::serialize(tensors.iter(), None).map_err(|e| {
        Error::mistake(format!("the tensors for {} cannot be stored: {e}", named(path)), "use shorter names")
    })?;
    let mut file = sibling(path, &target)?;
    let written = file.write_all(&bytes).and_then(|()| file.as_file().sync_all());
    let published = written.and_then(|()| file.persist(&target).map_err(|e| e.error));
    published.map(drop).map_err(|e| unwritable(path, &reason(&e)))
}

/// Checks, before any work is done, that `output` can be written and is none of `inputs`, links and other spellings of
/// the same file included.
///
/// # Errors
/// A mistake that names the path.
pub fn check_output(output: &Path, inputs: &[&Path]) -> Result<()> {
    for input in inputs {
        if same_file(output, input) {
            return Err(Error::mistake(
                format!("the output {} is the input {}", named(output), named(input)),
                "choose another output; inputs are never overwritten",
            ));
        }
    }
    sibling(output, &target(output)?).map(drop)
}

/// The file that writing to `path` replaces, links followed.
fn target(path: &Path) -> Result<PathBuf> {
    if path.file_name().is_none() {
        return Err(unwritable(path, "it names no file"));
    }
    let Ok(about) = fs::metadata(path) else { return Ok(path.to_path_buf()) };
    if about.is_dir() {
        return Err(unwritable(path, "it is a folder"));
    }
    // A device or a pipe would be replaced by a plain file.
    if !about.is_file() {
        return Err(unwritable(path, "it is not a plain file"));
    }
    if about.permissions().readonly() {
        return Err(unwritable(path, "it is marked read-only"));
    }
    fs::canonicalize(path).map_err(|e| unwritable(path, &reason(&e)))
}

/// A new file in the folder of `target`, with the permissions that a plain new file gets; gone when dropped.
fn sibling(path: &Path, target: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(unwritable(path, &format!("there is no folder {}", named(folder))));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".chunkwise-").suffix(".partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(|e| {
        let why =
            if e.kind() == ErrorKind::PermissionDenied { "permission denied".into() } else { reason(&e) };
        unwritable(path, &format!("no file can be made in {}: {why}", named(folder)))
    })
}

fn unwritable(path: &Path, why: &str) -> Error {
    Error::mistake(
        format!("{} cannot be written: {why}", named(path)),
        "choose a path in a folder you can write to",
    )
}

/// Whether two paths lead to one file that exists.
fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
