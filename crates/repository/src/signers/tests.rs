use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

#[test]
fn lines_of_allowed_signers_are_read_or_refused() {
    for (line, wanted) in [
        (KEY.to_owned(), "a key is missing"),
        (format!("ada@example.com {KEY} Ada's laptop"), ""),
        (format!("\"ada lovelace\" {KEY}"), ""),
        (format!("*@example.com namespaces=\"git,file\",valid-after=\"20260101\" {KEY}"), ""),
        (format!("ada valid-before=20270101120000Z {KEY}"), ""),
        (format!("ada cert-authority {KEY}"), "certificate authorities"),
        (format!("ada no-touch {KEY}"), "the option \"no-touch\""),
        (format!("ada valid-after=yesterday {KEY}"), "\"yesterday\" is not a time"),
        (format!("ada valid-after=20261399 {KEY}"), "\"20261399\" is not a time"),
        ("ada ssh-ed25519 AAAA".to_owned(), "there is no public key"),
        ("ada".to_owned(), "a key is missing"),
        ("\"ada ssh-ed25519".to_owned(), "a quotation mark"),
        ("# nobody".to_owned(), "the file names no key"),
    ] {
        let problem = AllowedSigners::parse(&line).err().map(|error| error.problem).unwrap_or_default();
        assert!(problem.starts_with(wanted) && problem.is_empty() == wanted.is_empty(), "{line}: {problem}");
    }
    let error = AllowedSigners::parse(&format!("# people\n\nada {KEY}\nbob\n")).unwrap_err();
    assert_eq!(error.line, 4);
}

#[test]
fn a_key_counts_for_git_and_within_its_time() {
    let key = PublicKey::from_openssh(KEY).unwrap();
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    for (options, time, wanted) in [
        ("", "2026-11-23T00:00:00Z", true),
        ("namespaces=git", "2026-11-23T00:00:00Z", true),
        ("namespaces=\"file,g*\"", "2026-11-23T00:00:00Z", true),
        ("namespaces=\"*,!git\"", "2026-11-23T00:00:00Z", false),
        ("namespaces=file", "2026-11-23T00:00:00Z", false),
        ("valid-after=20261123", "2026-11-23T00:00:00Z", true),
        ("valid-after=202611230001", "2026-11-23T00:00:59Z", false),
        ("valid-before=20261123", "2026-11-23T00:00:01Z", false),
        ("valid-before=20261123000001", "2026-11-23T00:00:01Z", true),
    ] {
        let signers = AllowedSigners::parse(&format!("ada {options} {KEY}").replace("  ", " ")).unwrap();
        let found = signers.principals_of(key.key_data(), at(time));
        assert_eq!(found.is_ok(), wanted, "{options} at {time}: {found:?}");
    }
}
