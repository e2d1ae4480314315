//! Secrets: one form of their data, checked before anything is written.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::FieldProblem;

/// What Go's decoder takes: padding is wanted, stray bits in the last letter are not looked at.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Moves `stringData` into `data`, as the server does, and checks `data`.
///
/// The server keeps no trace of `stringData` but in the managed fields, where it would hide later changes of `data`.
pub(super) fn merge_string_data(root: &mut Map<String, Value>) -> Result<(), FieldProblem> {
    let texts = map(root.remove("stringData"), ".stringData")?;
    let had_data = root.contains_key("data");
    let mut data = map(root.remove("data"), ".data")?;
    for (key, value) in &data {
        // The server's decoder skips line ends.
        let encoded = value.as_str().map(|text| text.replace(['\n', '\r'], ""));
        match encoded.map(|text| BASE64.decode(text)) {
            Some(Ok(_)) => {}
            Some(Err(_)) => return Err((field(".data", key), "must be base64; plain text belongs in stringData")),
            None => return Err((field(".data", key), "must be base64 text")),
        }
    }
    for (key, value) in texts {
        match value.as_str() {
            Some(text) => drop(data.insert(key, Value::from(BASE64.encode(text)))),
            None => return Err((field(".stringData", &key), "must be text; put it in quotes")),
        }
    }
    if had_data || !data.is_empty() {
        root.insert("data".to_owned(), Value::Object(data));
    }
    Ok(())
}

fn map(value: Option<Value>, name: &str) -> Result<Map<String, Value>, FieldProblem> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err((name.to_owned(), "must be a map")),
    }
}

fn field(map: &str, key: &str) -> String {
    format!("{map}[{key:?}]")
}
