mod access_tokens;
mod demo;
mod key;
mod log;
mod misuse;
mod serve;
mod service;
mod user;
