//! Generated protobuf types of the API between the daemons, and their conversions.
