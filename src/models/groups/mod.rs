//! Groups: named sets of people, whom services admit together.

pub mod administration;
pub mod adoption;
pub mod group;
pub mod member_changes;
pub mod overview;
