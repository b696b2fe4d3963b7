mod demo;
mod key;
mod misuse;
mod serve;
mod user;
