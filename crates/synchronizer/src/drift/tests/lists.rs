//! What is missing, and what only was not listed.

use super::*;

fn refused() -> News<LiveMetadata> {
    News::Failed(ClusterError { class: Class::Forbidden, code: Some(403), message: "no".into(), retry_after: None })
}

#[test]
fn what_is_not_listed_is_judged_when_it_is() {
    let (mut index, wanted) = (Index::default(), wanted(&["a", "b"]));
    index.introduce(&key(), &ownership());
    index.news(&config_maps(), refused());
    assert_eq!(index.follow(&key(), &wanted, &BTreeSet::new()), BTreeSet::new());
    assert!(!index.settle(&key(), &id("a"), true));
    index.news(&config_maps(), News::Restarted);
    index.news(&config_maps(), News::Applied(live(&wanted[0], 1)));
    assert_eq!(index.news(&config_maps(), News::ListComplete), woken(&["b"]));
    assert_eq!(index.drifted(&key())[&id("b")], Drifted::Gone);

    // A refusal later on takes nothing away, and the next list does.
    index.news(&config_maps(), refused());
    assert_eq!(index.drifted(&key()).len(), 1);
    index.news(&config_maps(), News::Restarted);
    assert_eq!(index.news(&config_maps(), News::ListComplete), woken(&["a"]));
}

#[test]
fn what_a_complete_list_does_not_have_is_gone_unless_it_cannot_be_seen() {
    for (unsettled, expected) in [(BTreeSet::new(), &["c"][..]), (BTreeSet::from([id("c")]), &[])] {
        let (mut index, wanted) = settled();
        index.news(&config_maps(), News::Deleted(live(&wanted[2], 9)));
        let gone: BTreeSet<ObjectId> = expected.iter().map(|name| id(name)).collect();
        assert_eq!(index.follow(&key(), &wanted, &unsettled), gone);
        index.expect_list(&config_maps());
        index.news(&config_maps(), News::Restarted);
        for rendered in &wanted[..2] {
            index.news(&config_maps(), News::Applied(live(rendered, 20)));
        }
        assert_eq!(index.news(&config_maps(), News::ListComplete), woken(&[]), "nothing new");
    }
}
