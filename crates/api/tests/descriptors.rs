//! The descriptors that reflection serves hold every service of the contract.

use lockstep_api::{FILE_DESCRIPTOR_SET, v1};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::server::NamedService;

#[test]
fn reflection_knows_every_service_and_its_calls() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut calls: Vec<String> = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                calls.push(format!("{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    calls.sort();
    assert_eq!(
        calls,
        [
            "lockstep.v1.Syncs/Acknowledge",
            "lockstep.v1.Syncs/Diff",
            "lockstep.v1.Syncs/Get",
            "lockstep.v1.Syncs/List",
            "lockstep.v1.Syncs/Plan",
            "lockstep.v1.Syncs/Resume",
            "lockstep.v1.Syncs/Suspend",
            "lockstep.v1.Syncs/Trigger",
            "lockstep.v1.Syncs/Watch",
            "lockstep.v1.Updates/Change",
            "lockstep.v1.Updates/Exchange",
            "lockstep.v1.Updates/Explain",
            "lockstep.v1.Updates/History",
            "lockstep.v1.Updates/ListImages",
            "lockstep.v1.Updates/Scan",
        ]
    );
    assert!(
        set.file.iter().any(|file| file.name() == "google/protobuf/timestamp.proto"),
        "reflection clients need the imports too"
    );
}

#[test]
fn the_generated_servers_carry_the_names_of_the_contract() {
    fn name_of<S: NamedService>(_: Option<S>) -> &'static str {
        S::NAME
    }
    struct Nobody;
    assert_eq!(name_of(None::<v1::syncs_server::SyncsServer<Nobody>>), "lockstep.v1.Syncs");
    assert_eq!(name_of(None::<v1::updates_server::UpdatesServer<Nobody>>), "lockstep.v1.Updates");
}
