use super::*;

const DAY: i64 = 24 * 3600;

fn repository(name: &str) -> Repository {
    Repository { host: "r.example".into(), name: name.into() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// `1.0=before 1.1=60` for the times in seconds.
fn scan(seen: &SeenTags, name: &str, tags: &str, second: i64) -> String {
    let tags: Vec<String> = tags.split_ascii_whitespace().map(str::to_owned).collect();
    let first_seen = seen.record(&repository(name), &tags.iter().collect(), at(second)).unwrap().first_seen;
    let time = |tag: &str| {
        first_seen.get(tag).map_or("before".to_owned(), |time| (time.as_second() - 1_700_000_000).to_string())
    };
    let tags: BTreeSet<&String> = tags.iter().collect();
    assert!(first_seen.keys().all(|tag| tags.contains(tag)), "{first_seen:?}");
    tags.iter().map(|tag| format!("{tag}={}", time(tag))).collect::<Vec<_>>().join(" ")
}

#[test]
fn first_sights_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen.redb");
    {
        let seen = SeenTags::open(&path).unwrap();
        assert_eq!(scan(&seen, "a", "1.0 1.1", 0), "1.0=before 1.1=before");
        assert_eq!(scan(&seen, "a", "1.0 1.1 1.2", 60), "1.0=before 1.1=before 1.2=60");
        assert_eq!(scan(&seen, "a/b", "9", 70), "9=before", "a repository is not known by its neighbour");
        assert_eq!(scan(&seen, "empty", "", 80), "");
    }
    let seen = SeenTags::open(&path).unwrap();
    assert_eq!(scan(&seen, "a", "1.2 1.1 1.0 1.2", 120), "1.0=before 1.1=before 1.2=60");
    assert_eq!(scan(&seen, "empty", "1", 130), "1=130", "an empty repository was scanned before");
}

#[test]
fn a_tag_that_was_gone_for_more_than_a_day_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let seen = SeenTags::open(&folder.path().join("seen.redb")).unwrap();
    scan(&seen, "a", "1 2", 0);
    assert_eq!(scan(&seen, "a", "1", 100), "1=before");
    assert_eq!(scan(&seen, "a", "1 2", 200), "1=before 2=before", "gone for a moment");
    assert_eq!(scan(&seen, "a", "1", 300), "1=before");
    assert_eq!(scan(&seen, "a", "1", 400), "1=before");
    assert_eq!(scan(&seen, "a", "1 2", 301 + DAY), format!("1=before 2={}", 301 + DAY));
}

#[test]
fn a_tag_that_moves_is_first_seen_when_it_moved() {
    let folder = tempfile::tempdir().unwrap();
    let seen = SeenTags::open(&folder.path().join("seen.redb")).unwrap();
    let note = |tag: &str, digest: &str, second| {
        seen.note_digest(&repository("a"), tag, digest, at(second)).unwrap();
        seen.take_moved(&repository("a")).pop().map(|moved| (moved.tag, moved.from, moved.to))
    };
    scan(&seen, "a", "1", 0);
    assert_eq!(note("1", "sha256:aa", 10), None, "the first look");
    assert_eq!(note("1", "sha256:aa", 20), None);
    assert_eq!(scan(&seen, "a", "1", 30), "1=before");
    let moved = ["1", "sha256:aa", "sha256:bb"].map(str::to_owned);
    assert_eq!(note("1", "sha256:bb", 40), Some(moved.into()), "it moved");
    assert_eq!(note("unknown", "sha256:aa", 50), None);
    let recorded = seen.record(&repository("a"), &["1"].into_iter().collect(), at(60)).unwrap();
    assert_eq!(recorded, Recorded { first_scan: Some(at(0)), first_seen: [("1".to_owned(), at(40))].into() });
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen.redb");
    let seen = SeenTags::open(&path).unwrap();
    scan(&seen, "a", "1 2 3", 0);
    let before = std::fs::read(&path).unwrap();
    scan(&seen, "a", "3 2 1", 60);
    assert!(std::fs::read(&path).unwrap() == before);
    scan(&seen, "a", "3 2 1 4", 120);
    assert!(std::fs::read(&path).unwrap() != before);
}

#[test]
fn a_broken_record_is_set_aside() {
    type Breakage = fn(&Path);
    let breakages: [(&str, Breakage); 4] = [
        ("text", |path| std::fs::write(path, "this is no database, but long enough to look at").unwrap()),
        ("header", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[..512].fill(0xa5);
            std::fs::write(path, bytes).unwrap();
        }),
        ("cut", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..100]).unwrap();
        }),
        ("other tables", |path| {
            std::fs::remove_file(path).unwrap();
            let other: TableDefinition<&str, &str> = TableDefinition::new("tags");
            let database = Database::create(path).unwrap();
            let transaction = database.begin_write().unwrap();
            transaction.open_table(other).unwrap();
            transaction.commit().unwrap();
        }),
    ];
    for (name, breakage) in breakages {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.redb");
        scan(&SeenTags::open(&path).unwrap(), "a", "1", 0);
        breakage(&path);
        let seen = SeenTags::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scan(&seen, "a", "1", 60), "1=before", "{name}");
        assert!(folder.path().join("seen.redb.broken").exists(), "{name}");
    }
}

#[test]
fn a_record_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen.redb");
    let first = SeenTags::open(&path).unwrap();
    let error = SeenTags::open(&path).err().unwrap();
    assert_eq!(error.category(), "in-use");
    assert_eq!(scan(&first, "a", "1", 0), "1=before");
    let error = SeenTags::open(&folder.path().join("no/such/folder/seen.redb")).err().unwrap();
    assert_eq!(error.category(), "database");
}

#[test]
fn the_time_of_the_first_scan_stays() {
    let folder = tempfile::tempdir().unwrap();
    let seen = SeenTags::open(&folder.path().join("seen.redb")).unwrap();
    for (second, tags) in [(60, "1"), (120, "1"), (180, "1 2"), (240, "2"), (300, "2")] {
        let tags = tags.split_ascii_whitespace().collect();
        let recorded = seen.record(&repository("a"), &tags, at(second)).unwrap();
        assert_eq!(recorded.first_scan, Some(at(60)), "{second}");
    }
    let other = seen.record(&repository("b"), &TagNames::default(), at(400)).unwrap();
    assert_eq!(other, Recorded { first_scan: Some(at(400)), first_seen: BTreeMap::new() });
}
