//! Requests as literal bytes over real sockets, to a service that knows nothing of models.
//!
//! Nothing here sleeps: a client waits at its socket, a handler at its gate, and time is told by the
//! limits, which are short.

mod bodies;
mod client;
#[cfg(unix)]
mod endings;
mod exchanges;
mod overload;
mod server;
mod streams;
mod tls;
