use std::time::Duration;

use super::*;

fn load(text: &str) -> Result<Settings, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = Utf8PathBuf::from_path_buf(folder.path().join("settings.yaml")).unwrap();
    std::fs::write(&file, text).unwrap();
    Settings::load(&Sources::new().file(Some(file.clone()))).map_err(|errors| {
        let lines = errors.0.iter().map(|problem| problem.to_string().replace(file.as_str(), "settings.yaml"));
        lines.collect()
    })
}

/// The example of docs/configuration.md, so that the two cannot drift apart.
#[test]
fn the_documented_settings_are_the_settings() {
    let documentation = include_str!("../../../../docs/configuration.md");
    let section = documentation.split("## `lockstep-synchronizer`").nth(1).unwrap();
    let example = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let settings = load(example).unwrap();
    assert_eq!(settings.kubeconfig.as_deref().unwrap(), "/etc/lockstep/kubeconfig");
    assert_eq!(settings.automator.as_ref().unwrap().address, "https://automator.lockstep:7400");
    assert_eq!(settings.bootstrap.as_ref().unwrap().spec.source.branch, "main");
    let shared = Settings { kubeconfig: None, automator: None, tls: None, bootstrap: None, ..settings };
    assert_eq!(shared, Settings::default(), "the values shown are the defaults where there is one");

    let printed = lockstep_daemon::printed(&load(example).unwrap()).unwrap();
    assert_eq!(load(&printed).unwrap(), load(example).unwrap(), "what is printed is what was meant:\n{printed}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let problems = load(
        "namespaces: [shop, Shop]\nautomator: {address: 'http://automator.lockstep:1'}\nlisten: {grpc: '0.0.0.0:1'}\n\
         concurrency: 0\nrequest-timeout: 0s\nkubeconfg: x\n\
         lease: {name: a_b, duration: 1500ms, renew: 600ms}\n\
         bootstrap: {name: x, namespace: other, spec: {source: {repository: 'http://git.example/x.git'}}}\n",
    )
    .unwrap_err();
    let text = problems.join("\n");
    for wanted in [
        "settings.yaml:1: namespaces.1: \"Shop\" cannot be",
        "settings.yaml:2: automator.address: ",
        "settings.yaml: tls: is required because listen.grpc is 0.0.0.0:1",
        "settings.yaml:4: concurrency: must be from 1 to 1000, not 0",
        "settings.yaml:5: request-timeout: must be longer than nothing",
        "settings.yaml:6: kubeconfg: there is no such setting",
        "settings.yaml:7: lease.name: \"a_b\" cannot be",
        "settings.yaml:7: lease.duration: must be whole seconds, not 1500ms",
        "settings.yaml:7: lease.renew: must be at most a third of duration, which is 1500ms, not 600ms",
        "settings.yaml:8: bootstrap.namespace: other is not among namespaces",
        "settings.yaml:8: bootstrap.spec.source.repository: http:// to git.example is refused",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    assert_eq!(problems.len(), 11, "{text}");
}

#[test]
fn plain_text_needs_no_certificate_on_this_machine() {
    for (listen, good) in [
        ("127.0.0.1:0", true),
        ("'[::1]:0'", true),
        ("unix:/run/lockstep.sock", true),
        ("0.0.0.0:0", false),
        ("10.0.0.1:0", false),
        ("'[::]:0'", false),
    ] {
        assert_eq!(load(&format!("listen:\n  grpc: {listen}\n")).is_ok(), good, "{listen}");
        let tls = "tls: {certificate-file: /a, key-file: /b}";
        assert!(load(&format!("{tls}\nlisten:\n  grpc: {listen}\n")).is_ok(), "{listen}");
    }
}

#[test]
fn periods_and_sync_specs_are_written_as_everywhere() {
    let text = "shutdown-grace: 1500ms\nbootstrap: {name: a.b, namespace: c, spec: {interval: 10s, \
                source: {repository: 'git@git.example:x.git', secretRef: {name: s}}, serviceAccountName: d}}\n";
    let settings = load(text).unwrap();
    assert_eq!(settings.shutdown_grace.get(), Duration::from_millis(1500));
    assert_eq!(settings.bootstrap.unwrap().spec.service_account_name.as_deref(), Some("d"));
    let unknown = load("bootstrap: {name: a, namespace: c, spec: {source: {repository: 'git@h:x', barnch: x}}}");
    assert!(unknown.unwrap_err().join("\n").contains("bootstrap.spec.source.barnch: there is no such setting"));
}
