//! Callers are known to, and judged by, the API server.

use lockstep_cluster::{Access, Reviews};
use secrecy::SecretString;

use super::objects::cluster;

#[tokio::test]
async fn a_token_is_somebody_and_their_rights_are_the_clusters() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let ns = plane.fresh_namespace("review").await.unwrap();
    let account = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: ci}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: ci}}\nrules: [{{apiGroups: [lockstep.dev], resources: [syncs], resourceNames: [shop], verbs: [update]}}]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: ci}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: ci}}\nsubjects: [{{kind: ServiceAccount, name: ci, namespace: {ns}}}]\n"
    );
    plane.apply_yaml_in(&ns, &account).await.unwrap();
    let reviews = Reviews::new(cluster(plane).await, Vec::new());

    let token = plane.token_for(&ns, "ci").await.unwrap();
    let user = reviews.authenticate(&token).await.unwrap().expect("a valid token");
    assert_eq!(user.name, format!("system:serviceaccount:{ns}:ci"));
    assert_eq!(reviews.authenticate(&token).await.unwrap().as_ref(), Some(&user), "remembered");
    assert!(reviews.authenticate(&SecretString::from("nonsense")).await.unwrap().is_none());

    let access = |verb: &str, name: &str| Access {
        verb: verb.into(),
        group: "lockstep.dev".into(),
        resource: "syncs".into(),
        namespace: ns.clone(),
        name: name.into(),
    };
    for (verb, name, allowed) in
        [("update", "shop", true), ("update", "other", false), ("get", "shop", false), ("update", "", false)]
    {
        assert_eq!(reviews.may(&user, &access(verb, name)).await.unwrap(), allowed, "{verb} {name}");
    }

    let elsewhere = Reviews::new(cluster(plane).await, vec!["somebody-else".into()]);
    assert!(elsewhere.authenticate(&token).await.unwrap().is_none(), "the token is for another audience");
}
