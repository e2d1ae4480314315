use std::sync::Arc;

use futures::future::join_all;
use lockstep_registry::Listing;

use crate::scripted::{Asked, Reply, Scripted, page};

fn joined(listing: &Listing) -> String {
    listing.tags.iter().collect::<Vec<_>>().join(" ")
}

/// Lists with an anonymous client: the tags, or the category of the error; then what was asked.
async fn list(
    script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
) -> (Result<String, String>, Vec<String>) {
    let registry = Scripted::start(script).await;
    let listed = registry.client(|_| {}).tags(&registry.repository()).await;
    let listed = listed.map(|listing| joined(&listing)).map_err(|error| format!("{}: {error}", error.category()));
    (listed.map_err(|error| error.replace(&registry.address, "HOST")), registry.targets())
}

const FIRST: &str = "/v2/team/app/tags/list?n=1000";

#[tokio::test]
async fn one_page_is_one_request() {
    let (listed, asked) = list(|_, _| page(&["1.1", "1.0", "1.0"])).await;
    assert_eq!(listed.unwrap(), "1.0 1.1");
    assert_eq!(asked, [FIRST]);
}

#[tokio::test]
async fn no_tags_at_all() {
    for body in [r#"{"name":"a","tags":null}"#, r#"{"name":"a","tags":[]}"#, r#"{"name":"a"}"#] {
        let (listed, asked) = list(move |_, _| Reply::new(200, body)).await;
        assert_eq!((listed.unwrap(), asked.len()), (String::new(), 1), "{body}");
    }
}

#[tokio::test]
async fn links_lead_to_our_own_origin_and_path_whatever_they_say() {
    for link in [
        r#"</v2/team/app/tags/list?last=b&n=2>; rel="next""#,
        // Nexus loses the port, Artifactory a part of the path.
        r#"<http://127.0.0.1/v2/team/app/tags/list?last=b&n=2>; rel="next""#,
        r#"</v2/app/tags/list?last=b&n=2>; rel="next""#,
        r#"<https://elsewhere.example/steal?last=b&n=2>; rel="next""#,
        r#"<tags/list?last=b&n=2>;rel=next"#,
    ] {
        let (listed, asked) = list(move |_, before| match before {
            0 => page(&["a", "b"]).header("link", link),
            _ => page(&["c"]),
        })
        .await;
        assert_eq!(listed.unwrap(), "a b c", "{link}");
        assert_eq!(asked, [FIRST, "/v2/team/app/tags/list?last=b&n=2"], "{link}");
    }
}

#[tokio::test]
async fn a_full_page_without_a_link_is_the_last_one_where_another_had_a_link() {
    let names: Vec<String> = (0..2000).map(|n| format!("{n:04}")).collect();
    let all = names.join(" ");
    let (listed, asked) = list(move |asked, _| {
        let (begin, is_last) = if asked.target.contains("last=") { (1000, true) } else { (0, false) };
        let tags: Vec<&str> = names[begin..].iter().take(1000).map(String::as_str).collect();
        if is_last { page(&tags) } else { page(&tags).header("link", r#"</v2/x?n=1000&last=0999>; rel="next""#) }
    })
    .await;
    assert_eq!(listed.unwrap(), all);
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_full_page_without_a_link_is_asked_to_go_on() {
    let names: Vec<String> = (0..1500).map(|n| format!("{n:04}")).collect();
    let all = names.join(" ");
    let (listed, asked) = list(move |asked, _| {
        let start = asked.target.split_once("last=").map_or(0, |(_, last)| last.parse::<usize>().unwrap() + 1);
        let tags: Vec<&str> = names[start..].iter().take(1000).map(String::as_str).collect();
        page(&tags)
    })
    .await;
    assert_eq!(listed.unwrap(), all);
    assert_eq!(asked, [FIRST, "/v2/team/app/tags/list?n=1000&last=0999"]);
}

#[tokio::test]
async fn a_registry_that_ignores_every_parameter_is_believed_at_the_second_sight() {
    let names: Vec<String> = (0..1000).map(|n| format!("{n:04}")).collect();
    let (listed, asked) = list(move |_, _| page(&names.iter().map(String::as_str).collect::<Vec<_>>())).await;
    assert_eq!(listed.unwrap().split(' ').count(), 1000);
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn a_refused_page_size_is_lowered_and_remembered() {
    let registry = Scripted::start(|asked, _| {
        let size: u32 = asked.target.split_once("n=").unwrap().1.parse().unwrap();
        match size {
            101.. => Reply::new(413, r#"{"errors":[{"code":"TOO_MANY_TAGS_REQUESTED"}]}"#),
            _ => page(&["1"]),
        }
    })
    .await;
    let client = registry.client(|_| {});
    assert_eq!(*client.tags(&registry.repository()).await.unwrap().tags, ["1"]);
    client.tags(&registry.repository()).await.unwrap();
    let small = "/v2/team/app/tags/list?n=100";
    assert_eq!(registry.targets(), [FIRST, small, small]);
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_page_size_is_told() {
    let (listed, asked) =
        list(|_, _| Reply::new(400, r#"{"errors":[{"code":"NAME_INVALID","message":"secret"}]}"#)).await;
    assert_eq!(
        listed.unwrap_err(),
        "refused: cannot list the tags of HOST/team/app: the registry answers 400 NAME_INVALID"
    );
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_listing_is_never_short() {
    type Script = fn(&Asked, usize) -> Reply;
    const NEXT: &str = r#"</v2/x?last=b>; rel="next""#;
    let scripts: [(&str, Script, &str); 8] = [
        (
            "lost page",
            |_, n| if n == 0 { page(&["a"]).header("link", NEXT) } else { Reply::new(404, "") },
            "incomplete",
        ),
        ("page that repeats", |_, _| page(&["a"]).header("link", NEXT), "incomplete"),
        (
            "circle",
            |_, n| {
                page(&[["a", "b"][n % 2]]).header("link", format!("</v2/x?last={}>; rel=\"next\"", ["x", "y"][n % 2]))
            },
            "incomplete",
        ),
        ("circle of empty pages", |_, _| page(&[]).header("link", NEXT), "incomplete"),
        ("link without a query", |_, _| page(&["a"]).header("link", r#"</v2/x>; rel="next""#), "incomplete"),
        ("broken link", |_, _| page(&["a"]).header("link", "next please"), "incomplete"),
        ("no JSON", |_, _| Reply::new(200, "<html>"), "malformed"),
        ("cut JSON", |_, _| Reply::new(200, r#"{"tags":["a""#), "malformed"),
    ];
    for (name, script, expected) in scripts {
        let (listed, asked) = list(script).await;
        let error = listed.unwrap_err();
        assert!(error.starts_with(expected), "{name}: {error}");
        assert!(asked.len() <= 3, "{name}: {asked:?}");
    }
}

#[tokio::test]
async fn a_page_without_end_is_not_read_to_its_end() {
    let (listed, _) = list(|_, _| Reply::new(200, vec![b' '; (32 << 20) + 1])).await;
    assert!(listed.unwrap_err().starts_with("malformed"));
}

#[tokio::test]
async fn what_is_no_tag_is_left_out() {
    let (listed, _) = list(|_, _| page(&["1.0", "", "a b", "x\ny", "../z", "-1"])).await;
    assert_eq!(listed.unwrap(), "1.0");
}

#[tokio::test]
async fn those_who_ask_together_share_one_listing() {
    let registry = Scripted::start(|_, _| page(&["1"])).await;
    let client = registry.client(|_| {});
    let repository = registry.repository();
    let listed = join_all((0..20).map(|_| client.tags(&repository))).await;
    assert!(listed.iter().all(|listing| *listing.as_ref().unwrap().tags == ["1"]));
    // The first; and one that began after all the others had asked.
    assert_eq!(registry.targets().len(), 2);
}

#[tokio::test]
async fn who_is_content_with_a_recent_listing_costs_no_request() {
    let registry = Scripted::start(|_, before| page(&[["1", "2", "3", "4"][before]])).await;
    let client = registry.client(|_| {}).sharing(std::time::Duration::from_secs(3600));
    let (repository, start) = (registry.repository(), jiff::Timestamp::now());
    let since = async |not_before| client.tags_since(&repository, not_before).await.unwrap();
    // However many ask at once, of whom nobody was told of a push.
    let listed = join_all((0..20).map(|_| since(start))).await;
    assert!(listed.iter().all(|listed| *listed.listing.tags == ["1"]));
    assert_eq!(registry.targets().len(), 1);
    let first = since(start).await;
    // Who wants to know what is there now gets that, and so do the others then.
    let later = since(jiff::Timestamp::MAX).await;
    assert_eq!((joined(&first.listing), joined(&later.listing)), ("1".into(), "2".into()));
    assert_eq!(since(start).await, later);
    assert_eq!(*client.tags(&repository).await.unwrap().tags, ["3"]);
    assert_eq!(registry.targets().len(), 3);
    // Nothing is kept unasked.
    let alone = registry.client(|_| {});
    alone.tags_since(&repository, start).await.unwrap();
    assert_eq!(registry.targets().len(), 4);
}

#[tokio::test]
async fn a_repository_with_an_odd_name_is_not_asked_for() {
    let registry = Scripted::start(|_, _| page(&["1"])).await;
    let mut repository = registry.repository();
    repository.name = "../token?x=1".into();
    assert_eq!(registry.client(|_| {}).tags(&repository).await.unwrap_err().category(), "settings");
    assert_eq!(registry.targets().len(), 0);
}

#[tokio::test]
async fn a_listing_that_did_not_change_is_not_sent_again() {
    let registry = Scripted::start(|asked, before| match asked.if_none_match.as_deref() {
        Some("\"one\"") if before < 3 => Reply::new(304, ""),
        _ if before < 3 => page(&["1"]).header("etag", "\"one\""),
        _ => page(&["1", "2"]),
    })
    .await;
    let client = registry.client(|_| {});
    let mut before = None;
    for (expected, is_confirmed) in [("1", false), ("1", true), ("1", true), ("1 2", false), ("1 2", false)] {
        let tags = Arc::clone(&client.tags(&registry.repository()).await.unwrap().tags);
        assert_eq!(tags.iter().collect::<Vec<_>>().join(" "), expected);
        assert_eq!(before.is_some_and(|before| Arc::ptr_eq(&before, &tags)), is_confirmed, "the same, and no copy");
        before = Some(tags);
    }
    let sent: Vec<_> = registry.asked().into_iter().map(|asked| asked.if_none_match).collect();
    let tag = || Some("\"one\"".to_owned());
    assert_eq!(sent, [None, tag(), tag(), tag(), None], "no tag, no condition");
}

#[tokio::test]
async fn the_tag_of_a_first_page_says_nothing_about_the_others() {
    let registry = Scripted::start(|asked, _| match asked.target.contains("last=") {
        false => page(&["a"]).header("link", r#"</v2/x?last=a>; rel="next""#).header("etag", "\"one\""),
        true => page(&["b"]).header("etag", "\"two\""),
    })
    .await;
    let client = registry.client(|_| {});
    for _ in 0..2 {
        assert_eq!(*client.tags(&registry.repository()).await.unwrap().tags, ["a", "b"]);
    }
    assert!(registry.asked().iter().all(|asked| asked.if_none_match.is_none()));
}
