//! Services and Ingresses: is there an address to reach them at?

use super::fields::{list, text};
use super::rules::Subject;
use super::{Assessed, Health};

pub(super) fn service(subject: &Subject<'_>) -> Assessed {
    let object = subject.object;
    if text(object, "/spec/type") == Some("LoadBalancer") {
        if text(object, "/spec/clusterIP").is_none() {
            return Ok(Health::in_progress("NoIPAssigned", "ClusterIP not set. Service type: LoadBalancer"));
        }
        let reachable = [list(object, "/status/loadBalancer/ingress"), list(object, "/spec/externalIPs")];
        if reachable.iter().all(|addresses| addresses.is_empty()) {
            return Ok(Health::in_progress("NoIPAssigned", "The load balancer has no address yet"));
        }
    }
    Ok(Health::current("Service is ready"))
}

pub(super) fn ingress(subject: &Subject<'_>) -> Assessed {
    if list(subject.object, "/status/loadBalancer/ingress").is_empty() {
        return Ok(Health::in_progress("NoIPAssigned", "No ingress controller has given the Ingress an address yet"));
    }
    Ok(Health::current("Ingress has an address"))
}
