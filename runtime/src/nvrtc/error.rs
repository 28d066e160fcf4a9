//! What can go wrong with NVRTC, as errors of the four kinds that everything at run time has.

use std::path::Path;

use chunkwise_codegen::arch::Arch;

use super::search::Searched;
use crate::Error;

/// `CHUNKWISE_NVRTC` names no usable library. No other place is tried, since this one was asked for.
pub(super) fn asked(path: &Path, reason: &str) -> Error {
    Error::mistake(
        format!("CHUNKWISE_NVRTC is set to {}, which is no usable NVRTC: {reason}", path.display()),
        "set it to the library (libnvrtc.so.13), to the folder that holds it or to pip's folder, or unset it",
    )
}

/// NVRTC is nowhere; every place is listed.
pub(super) fn not_found(searched: &[Searched]) -> Error {
    let places: String = searched.iter().map(|searched| format!("\n  {searched}")).collect();
    Error::absent(
        format!("NVRTC, the library that compiles CUDA kernels, was not found; looked for it in{places}"),
        "run `chunkwise doctor --install` to fetch it (it needs no GPU and no driver), or \
         `python3 -m pip install nvidia-cuda-nvrtc`, or set CHUNKWISE_NVRTC to the library or its folder",
    )
}

/// The library is too old or too new for the architecture.
pub(super) fn unsupported(arch: Arch, nvrtc: &str, known: &[u32]) -> Error {
    let known: Vec<String> = known.iter().map(|number| format!("sm_{number}")).collect();
    Error::limitation(
        format!("{nvrtc} does not compile for {arch}; it knows {}", known.join(", ")),
        "name a newer or older NVRTC with CHUNKWISE_NVRTC",
    )
}

/// A generated text does not compile, which is our bug.
pub(super) fn rejected(name: &str, arch: Arch, log: &str, excerpts: &str) -> Error {
    Error::bug(format!("the kernel `{name}` does not compile for {arch}\n{log}\n{excerpts}"))
}

/// A call failed in a way that says nothing about the text.
pub(super) fn call(function: &str, reason: &str) -> Error {
    Error::bug(format!("NVRTC failed: {function}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::super::search::Outcome;
    use super::*;

    #[test]
    fn an_absence_lists_every_place_and_says_what_to_do() {
        let home = Some("/home/a/.local/share/chunkwise/nvrtc".into());
        let searched = [
            Searched { place: "CHUNKWISE_NVRTC", path: None, outcome: Outcome::Nothing("not set") },
            Searched { place: "data folder", path: home, outcome: Outcome::Unusable("cut off".to_owned()) },
        ];
        let error = not_found(&searched);
        assert_eq!(error.exit_code(), 3);
        assert_eq!(
            error.to_string(),
            "error: NVRTC, the library that compiles CUDA kernels, was not found; looked for it in\n  \
             CHUNKWISE_NVRTC: not set\n  data folder: /home/a/.local/share/chunkwise/nvrtc: cut off\nhelp: run \
             `chunkwise doctor --install` to fetch it (it needs no GPU and no driver), or `python3 -m pip install \
             nvidia-cuda-nvrtc`, or set CHUNKWISE_NVRTC to the library or its folder"
        );
    }

    #[test]
    fn an_unknown_architecture_names_the_known_ones() {
        let error = unsupported(Arch::Sm120, "NVRTC 12.4 at /usr/lib/libnvrtc.so.12", &[80, 90]);
        assert_eq!(error.exit_code(), 3);
        let message = error.to_string();
        let expected =
            "NVRTC 12.4 at /usr/lib/libnvrtc.so.12 does not compile for sm_120; it knows sm_80, sm_90";
        assert!(message.contains(expected), "{message}");
    }
}
