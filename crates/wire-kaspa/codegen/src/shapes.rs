//! Shapes: which fields of a message are lists or messages, and how large their elements are.

use std::error::Error;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// A constant for each message, and an implementation of `Shaped` that points to it.
pub(crate) fn shapes(files: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let bodies = files.file.iter().find(|file| file.name() == super::BODIES);
    let messages = &bodies.ok_or("the bodies are missing")?.message_type;
    let mut out = String::from("use super::generated::*; use super::types::Hash;");
    out += "use super::weigh::{Field, Shape, Shaped};";
    for message in messages {
        out += &match fixed(message.name()) {
            Some(len) => format!("static {}: Shape = Shape::fixed({len});", name(message.name())),
            None => shape(message)?,
        };
    }
    Ok(prettyplease::unparse(&syn::parse_file(&out)?))
}

/// How many bytes a message holds that is a type of ours.
fn fixed(message: &str) -> Option<usize> {
    match message {
        "Hash" => Some(32),
        "SubnetworkId" => Some(20),
        _ => None,
    }
}

fn shape(message: &DescriptorProto) -> Result<String, Box<dyn Error>> {
    let (mut fields, mut reserve, mut lists) = (String::new(), String::new(), 0);
    for field in &message.field {
        let number = field.number();
        let repeated = field.label() == Label::Repeated;
        fields += &match (repeated, field.r#type()) {
            (false, Type::Message) => format!("Field::one({number}, &{}),", name(of(field))),
            (true, Type::Message) => {
                let of = of(field);
                format!("Field::list({number}, size_of::<{of}>(), &{}),", name(of))
            }
            (true, Type::Uint64) => format!("Field::numbers({number}),"),
            (true, other) => return Err(format!("a list of {other:?}").into()),
            (false, _) => continue,
        };
        if repeated {
            reserve += &format!("self.{}.reserve_exact(counts[{lists}]);", field.name());
            lists += 1;
        }
    }
    if lists > 0 {
        reserve = format!("fn reserve(&mut self, counts: &[usize]) {{ {reserve} }}");
    }
    Ok(format!(
        "static {name}: Shape = Shape::of(&[{fields}]);
        impl Shaped for {message} {{
            const SHAPE: &'static Shape = &{name};
            {reserve}
        }}",
        name = name(message.name()),
        message = message.name(),
    ))
}

/// The name of the message that this field holds, without the package.
fn of(field: &FieldDescriptorProto) -> &str {
    field.type_name().rsplit('.').next().unwrap_or_default()
}

/// The name of a message's constant: `BlockHeader` becomes `BLOCK_HEADER`.
fn name(message: &str) -> String {
    let mut name = String::new();
    for letter in message.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
