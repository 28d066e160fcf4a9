//! One entry as bytes: a binary with its key, guarded by a digest.
//!
//! ```text
//! "chunkwise-kern1\n"  digest of the rest (32 bytes)  key  name  arch  cubin  ptx  log  resources
//! ```
//!
//! Every text is its length (u64, little endian) and its bytes; `resources` is a count and, per kernel, its name and six
//! u32. Any flipped, missing or added byte is found: in the first line by comparison, elsewhere by the digest (BLAKE3),
//! which guards against accidents, not against someone who may write the folder. The key is inside too, so that an entry
//! under another's name is refused.

use std::num::TryFromIntError;

use crate::nvrtc::{Binary, KernelResources};

const MAGIC: &[u8; 16] = b"chunkwise-kern1\n";
const DIGEST: usize = blake3::OUT_LEN;

/// What a file of the cache holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) arch: String,
    pub(super) binary: Binary,
}

/// Why bytes are no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is cut off")]
    Short,
    #[error("it is no entry of this version")]
    Magic,
    #[error("its digest does not match")]
    Digest,
    #[error("its contents make no sense")]
    Contents,
    #[error("it belongs to another kernel")]
    Key,
}

impl From<TryFromIntError> for Damage {
    fn from(_: TryFromIntError) -> Self {
        Self::Contents
    }
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for text in [&self.key, &self.name, &self.arch] {
            put(&mut body, text.as_bytes());
        }
        put(&mut body, &self.binary.cubin);
        put(&mut body, self.binary.ptx.as_bytes());
        put(&mut body, self.binary.log.as_bytes());
        body.extend((self.binary.resources.len() as u64).to_le_bytes());
        for kernel in &self.binary.resources {
            put(&mut body, kernel.kernel.as_bytes());
            for number in numbers(kernel) {
                body.extend(number.to_le_bytes());
            }
        }
        let digest = blake3::hash(&body);
        [MAGIC.as_slice(), digest.as_bytes(), &body].concat()
    }

    /// Reads an entry and checks that every byte is as it was written.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (magic, rest) = bytes.split_at_checked(MAGIC.len()).ok_or(Damage::Short)?;
        if magic != MAGIC {
            return Err(Damage::Magic);
        }
        let (digest, body) = rest.split_at_checked(DIGEST).ok_or(Damage::Short)?;
        if blake3::hash(body).as_bytes() != digest {
            return Err(Damage::Digest);
        }
        let mut body = Reader(body);
        let entry = Self {
            key: body.text()?,
            name: body.text()?,
            arch: body.text()?,
            binary: Binary {
                cubin: body.bytes()?.to_vec(),
                ptx: body.text()?,
                log: body.text()?,
                resources: body.resources()?,
            },
        };
        if body.0.is_empty() { Ok(entry) } else { Err(Damage::Contents) }
    }
}

fn put(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as u64).to_le_bytes());
    body.extend(bytes);
}

/// The numbers of a kernel, in the order in which they are stored.
fn numbers(kernel: &KernelResources) -> [u32; 6] {
    let KernelResources {
        kernel: _,
        registers,
        spill_store_bytes,
        spill_load_bytes,
        stack_bytes,
        shared_bytes,
        barriers,
    } = *kernel;
    [registers, spill_store_bytes, spill_load_bytes, stack_bytes, shared_bytes, barriers]
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damage::Contents)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.take(N)?.try_into().map_err(|_| Damage::Contents)
    }

    fn length(&mut self) -> Result<usize, Damage> {
        Ok(u64::from_le_bytes(self.array()?).try_into()?)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, Damage> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Damage::Contents)
    }

    fn resources(&mut self) -> Result<Vec<KernelResources>, Damage> {
        let count = self.length()?;
        // The count is not trusted with an allocation: a wrong one runs out of bytes first.
        (0..count).map(|_| self.kernel()).collect()
    }

    fn kernel(&mut self) -> Result<KernelResources, Damage> {
        let kernel = self.text()?;
        let mut number = || Ok::<u32, Damage>(u32::from_le_bytes(self.array()?));
        Ok(KernelResources {
            kernel,
            registers: number()?,
            spill_store_bytes: number()?,
            spill_load_bytes: number()?,
            stack_bytes: number()?,
            shared_bytes: number()?,
            barriers: number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let kernel = |name: &str, registers| KernelResources {
            kernel: name.to_owned(),
            registers,
            spill_store_bytes: 2,
            spill_load_bytes: 3,
            stack_bytes: 4,
            shared_bytes: 5,
            barriers: 6,
        };
        Entry {
            key: "ab-13.5".to_owned(),
            name: "delta".to_owned(),
            arch: "sm_90".to_owned(),
            binary: Binary {
                cubin: vec![0x7f, b'E', b'L', b'F', 0, 255],
                ptx: ".version 9.0\n".to_owned(),
                log: "ptxas info\n".to_owned(),
                resources: vec![kernel("one", 40), kernel("two", 255)],
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Entry::decode(&entry().encode()), Ok(entry()));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = entry().encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let expected = if at < MAGIC.len() { Damage::Magic } else { Damage::Digest };
                assert_eq!(Entry::decode(&damaged), Err(expected), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn every_truncation_and_addition_is_found() {
        let bytes = entry().encode();
        for length in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..length]).is_err(), "length {length}");
        }
        assert_eq!(Entry::decode(&[bytes.as_slice(), b"x"].concat()), Err(Damage::Digest));
    }

    /// A body that has a right digest and makes no sense, as a bug of ours would write it.
    #[test]
    fn a_senseless_body_is_an_error_and_allocates_nothing() {
        for body in
            [vec![0xff; 8], vec![0xff; 4], [0u64, 0, 0, 0, 0, 0, u64::MAX].map(u64::to_le_bytes).concat()]
        {
            let bytes = [MAGIC.as_slice(), blake3::hash(&body).as_bytes(), &body].concat();
            assert_eq!(Entry::decode(&bytes), Err(Damage::Contents));
        }
        let mut body = Vec::new();
        put(&mut body, b"\xff\xfe");
        let bytes = [MAGIC.as_slice(), blake3::hash(&body).as_bytes(), &body].concat();
        assert_eq!(Entry::decode(&bytes), Err(Damage::Contents));
    }
}
