//! Many Syncs of one repository.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use lockstep_testkit::eventually;

use crate::limit;
use crate::stage::{BARE, SHOP, Stage, name, namespace_of, one};
use crate::table::{Row, Table, mebibytes};

/// Objects of one Sync.
const EACH: usize = 4;
const PATIENCE: Duration = Duration::from_secs(1800);

/// So many Syncs of four objects: the first is made → all are Ready.
pub(crate) async fn syncs(count: usize, table: &mut Table) -> Result<()> {
    let mut stage = Stage::set(1).await?;
    let bare = limit::creates(&stage.maps(BARE), count * EACH).await?;
    stage.plane.apply_yaml(&namespace_of(SHOP)).await?;
    for sync in 0..count {
        let text: String = (0..EACH).map(|object| one(&format!("s{sync}-{object}"), "first")).collect();
        stage.human.write(&format!("many/{sync}/maps.yaml"), &text)?;
    }
    stage.human.commit("Write many")?;
    stage.installation.create_sync(&stage.plane, &stage.git).await?;
    stage.start_synchronizer().await?;
    stage.trigger(true).await?;

    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("lockstep.dev", "v1alpha1", "Sync"));
    let namespace = stage.installation.names().sync_namespace.clone();
    let syncs: Api<DynamicObject> = Api::namespaced_with(stage.client.clone(), &namespace, &resource);
    let pattern = syncs.get(&stage.installation.names().sync).await?.data["spec"].clone();
    let start = Instant::now();
    let params = PatchParams::apply("bench");
    stream::iter((0..count).map(|sync| {
        let mut spec = pattern.clone();
        spec["source"]["path"] = format!("many/{sync}").into();
        spec["interval"] = "10m".into();
        let body = serde_json::json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": name(sync)}, "spec": spec});
        let (syncs, params) = (&syncs, &params);
        async move { syncs.patch(&name(sync), params, &Patch::Apply(body)).await.map(drop) }
    }))
    .buffer_unordered(32)
    .try_collect::<()>()
    .await?;
    let made = start.elapsed();
    eventually(PATIENCE, "all Syncs to be Ready", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        ready(&syncs).await.is_ok_and(|ready| ready > count)
    })
    .await?;
    let took = start.elapsed();
    let ratio = took.as_secs_f64() / bare.as_secs_f64();
    table.add(
        Row::new("Syncs of 4 objects: made → all Ready", count)
            .value(took)
            .limit(bare)
            .budget("1.5 × the limit", ratio <= 1.5),
    );
    table.add(Row::new("  of it, making the Syncs", count).value(made));
    table.add(Row::new("  memory of the synchronizer, peak", count).text(mebibytes(stage.process()?.peak_memory())));
    Ok(())
}

async fn ready(syncs: &Api<DynamicObject>) -> Result<usize> {
    let list = syncs.list(&ListParams::default()).await.context("listing the Syncs")?;
    let is_ready = |sync: &&DynamicObject| {
        let conditions = sync.data["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|known| known["type"] == "Ready" && known["status"] == "True")
    };
    Ok(list.items.iter().filter(is_ready).count())
}
