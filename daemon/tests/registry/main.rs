//! `llarpd registry` as authorities and nodes meet it: the real program, folders that stand for
//! machines, and files carried between them.

mod authorities;
mod fetching;
mod oxen;
mod server;
mod world;
