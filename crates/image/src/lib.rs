//! What an image is called, and which tag is newest under a policy.
