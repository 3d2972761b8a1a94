//! Replays the stored corpus and every finding without the fuzzer, with any compiler.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use peerage_fuzz::TARGETS;

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("every target has a corpus");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files
}

#[test]
fn the_corpus_passes() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files = inputs(&folder);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            println!("{}", file.display());
            target(&fs::read(&file).expect("it can be read"));
        }
    }
}

/// Repositories and fresh clones have no room for what a fuzzer collects in hours.
#[test]
fn the_corpus_is_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let files: Vec<PathBuf> = inputs(&folder).iter().flat_map(|target| inputs(target)).collect();
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).sum();
    assert!(files.len() < 300, "{} files", files.len());
    assert!(bytes < 300_000, "{bytes} bytes");
}

#[test]
fn an_empty_input_passes() {
    for (_, target) in TARGETS {
        target(&[]);
    }
}
