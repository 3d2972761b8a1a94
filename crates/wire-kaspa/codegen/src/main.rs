//! Makes the Rust types of Kaspa's messages from their .proto files, and beside them the shapes by
//! which `weigh.rs` knows what a message would take in memory before it is decoded.
//!
//! Without arguments it writes both files; with `--check` it fails if they are not what it would
//! write. No `protoc` is needed.

mod shapes;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use prost_build::Module;
use prost_types::FileDescriptorSet;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let check = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("the only argument is --check".into()),
    };
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = protox::compile(["messages.proto"], [package.join("proto")])?;

    let folder = package.join("src/proto");
    let mut differs = false;
    for (name, text) in [("generated.rs", types(&files)?), ("shapes.rs", shapes::shapes(&files)?)] {
        let path = folder.join(name);
        let text = format!("{HEADER}\n{text}");
        if fs::read_to_string(&path).ok().as_deref() == Some(text.as_str()) {
            continue;
        }
        if check {
            eprintln!("{} is not what the .proto files say", path.display());
            differs = true;
        } else {
            fs::write(&path, text)?;
        }
    }
    Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The types of the bodies. The envelope is read by hand and left out.
fn types(files: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let bodies = files.file.iter().filter(|file| file.name() == BODIES).cloned();
    let module = Module::from_protobuf_package_name(PACKAGE);
    let requests = bodies.map(|file| (module.clone(), file)).collect();
    let mut generated = prost_build::Config::new()
        .bytes(["."])
        .extern_path(".protowire.Hash", "crate::proto::types::Hash")
        .extern_path(".protowire.SubnetworkId", "crate::proto::types::SubnetworkId")
        .generate(requests)?;
    generated.remove(&module).ok_or_else(|| format!("no {BODIES} among the files").into())
}

const PACKAGE: &str = "protowire";
const BODIES: &str = "p2p.proto";
const HEADER: &str = "// Made from proto/p2p.proto by codegen, beside src. Change those, not this.";
