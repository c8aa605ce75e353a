//! What `examples::forms` says, once more: Rocket reads forms by a trait of its own.

use std::collections::HashMap;

use examples::{forms, members};
use rocket::form::{FromForm, FromFormField};

/// Rocket derives none without fields.
pub(crate) type Button = HashMap<String, String>;

#[derive(FromForm)]
pub(crate) struct Choice<'r> {
    pub(crate) product: &'r str,
}

#[derive(FromForm)]
pub(crate) struct Quantity<'r> {
    pub(crate) product: &'r str,
    pub(crate) quantity: u32,
}

#[derive(FromForm)]
pub(crate) struct Gift<'r> {
    pub(crate) note: &'r str,
}

#[derive(FromForm)]
pub(crate) struct Device<'r> {
    pub(crate) handle: &'r str,
}

#[derive(FromForm)]
pub(crate) struct RoleChange<'r> {
    pub(crate) member: &'r str,
    pub(crate) role: Role,
}

#[derive(FromFormField)]
pub(crate) enum Role {
    Customer,
    Clerk,
}

impl From<Role> for members::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Customer => Self::Customer,
            Role::Clerk => Self::Clerk,
        }
    }
}

#[derive(FromForm)]
pub(crate) struct SignIn {
    name: String,
    remember: Option<String>,
}

impl From<SignIn> for forms::SignIn {
    fn from(SignIn { name, remember }: SignIn) -> Self {
        Self { name, remember }
    }
}
