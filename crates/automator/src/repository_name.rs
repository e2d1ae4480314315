//! One name for a repository, however its URL is spelled.

/// The same text for every usual spelling of one repository: without scheme, user, default port, `.git` and slashes at the
/// end; the host in lower case. `https://git.example/a.git`, `ssh://git@git.example/a` and `git@git.example:a` are the same.
/// Only for comparing: nothing is ever fetched from it.
pub(crate) fn normalised(url: &str) -> String {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = match scheme {
        // user@host:path
        "" => rest.split_once(':').unwrap_or((rest, "")),
        _ => rest.split_once('/').unwrap_or((rest, "")),
    };
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server).to_ascii_lowercase();
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => ":443",
        "http" => ":80",
        "ssh" => ":22",
        _ => "",
    };
    let server = server.strip_suffix(default_port).unwrap_or(&server);
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    format!("{server}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_repository_are_one_name() {
        for (url, wanted) in [
            ("https://git.example/team/config.git", "git.example/team/config"),
            ("https://GIT.example:443/team/config/", "git.example/team/config"),
            ("https://me:canary@git.example/team/config", "git.example/team/config"),
            ("ssh://git@git.example/team/config.git", "git.example/team/config"),
            ("ssh://git@git.example:22/team/config.git/", "git.example/team/config"),
            ("git@git.example:team/config.git", "git.example/team/config"),
            ("git@git.example:/team/config", "git.example/team/config"),
            ("https://git.example/Team/config", "git.example/Team/config"),
            ("ssh://git@git.example:2222/team/config", "git.example:2222/team/config"),
            ("http://127.0.0.1:8080/config.git", "127.0.0.1:8080/config"),
            ("https://[::1]:8443/config.git", "[::1]:8443/config"),
            ("", "/"),
        ] {
            assert_eq!(normalised(url), wanted, "{url}");
        }
    }
}
