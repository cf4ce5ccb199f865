//! What several tests need: real servers in temporary folders. Knows nothing of what the tests claim.

pub(crate) mod clamd;
pub(crate) mod corpora;
pub(crate) mod courier;
pub(crate) mod document;
pub(crate) mod dovecot;
pub(crate) mod kerberos;
pub(crate) mod maildrop;
pub(crate) mod poplar;
pub(crate) mod quarantine;
pub(crate) mod scene;
pub(crate) mod token_server;
