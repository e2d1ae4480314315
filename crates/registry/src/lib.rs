//! OCI registries over HTTP: listings, facts about tags, push notifications.
