use crate::error::ManifestError;

/// The text of a file's bytes: UTF-8, with or without a byte-order mark.
///
/// # Errors
///
/// UTF-16 and UTF-32, by name, and bytes that are not UTF-8, by line.
pub fn text_of<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, ManifestError> {
    let error = |line: usize, message: &str| ManifestError {
        file: file.to_owned(),
        line,
        field: String::new(),
        message: message.to_owned(),
    };
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            return Err(error(1, "the file is UTF-16 or UTF-32; save it as UTF-8"));
        }
        _ => {}
    }
    std::str::from_utf8(bytes).map_err(|wrong| {
        let before = bytes.get(..wrong.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        error(line, "the file is not UTF-8; save it as UTF-8")
    })
}
