//! TLS 1.3 with raw Ed25519 keys (RFC 7250): a relay's key is its id, a client has none.
//!
//! ```text
//! SubjectPublicKeyInfo   0                                     12         44
//!                       ┌─────────────────────────────────────┬──────────┐
//!                       │ 30 2a 30 05 06 03 2b 65 70 03 21 00 │ relay id │
//!                       └─────────────────────────────────────┴──────────┘
//! ```

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert, Resumption};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group, sign};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

use super::config::{KeyExchange, KnownRelays, Role};
use crate::crypto::identity::{RelayId, SecretKey};

const SPKI_HEAD: &[u8; 12] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The client half of `role`: proves a relay's key, and demands the id that is dialled.
pub(super) fn client(role: &Role, groups: KeyExchange) -> Result<rustls::ClientConfig, Error> {
    let provider = provider(groups);
    let resolver: Arc<dyn ResolvesClientCert> = match role {
        Role::Client => Arc::new(Anonymous),
        Role::Relay { key, .. } => {
            Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(key)?))
        }
    };
    let verifier = Arc::new(PinnedRelay(signatures(&provider)));
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    config.enable_sni = false;
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The server half of a relay: proves its key, lets in anonymous peers and known relays.
pub(super) fn server(
    key: &SecretKey,
    known: &Arc<dyn KnownRelays>,
    groups: KeyExchange,
) -> Result<rustls::ServerConfig, Error> {
    let provider = provider(groups);
    let verifier = Arc::new(KnownOrAnonymous {
        known: Arc::clone(known),
        signatures: signatures(&provider),
    });
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(
            key,
        )?)));
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

/// The relay id in a peer's raw key, as TLS has verified it.
pub(super) fn relay_id(spki: &[u8]) -> Option<RelayId> {
    let key = spki.strip_prefix(SPKI_HEAD)?;
    key.try_into().ok().map(RelayId)
}

/// aws-lc with AES-128-GCM first: QUIC's first packets need it, and it is the fastest here.
fn provider(groups: KeyExchange) -> Arc<CryptoProvider> {
    let mut kx_groups = vec![kx_group::X25519MLKEM768];
    if groups == KeyExchange::HybridPreferred {
        kx_groups.push(kx_group::X25519);
    }
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups,
        ..default_provider()
    })
}

fn signatures(provider: &CryptoProvider) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

fn certified(key: &SecretKey) -> Result<Arc<CertifiedKey>, Error> {
    let pkcs8 = key.to_pkcs8();
    let signer = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.expose().as_slice()))?;
    let spki = [SPKI_HEAD.as_slice(), key.public().as_bytes()].concat();
    Ok(Arc::new(CertifiedKey::new(vec![spki.into()], signer)))
}

/// No key, and still raw keys only: without the extension the server would end the handshake.
#[derive(Debug)]
struct Anonymous;

impl ResolvesClientCert for Anonymous {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Demands the key that the dialled name names.
#[derive(Debug)]
struct PinnedRelay(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for PinnedRelay {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let wanted = server_name
            .to_str()
            .parse::<RelayId>()
            .map_err(|_| DENIED)?;
        match relay_id(end_entity) {
            Some(id) if id == wanted => Ok(ServerCertVerified::assertion()),
            _ => Err(DENIED),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Lets in peers without a key, and relays that are known.
#[derive(Debug)]
struct KnownOrAnonymous {
    known: Arc<dyn KnownRelays>,
    signatures: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for KnownOrAnonymous {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match relay_id(end_entity) {
            Some(id) if self.known.is_known(&id) => Ok(ClientCertVerified::assertion()),
            _ => Err(DENIED),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, cert, dss, &self.signatures)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Goes out as the alert `access_denied`, whatever was wrong with the key.
const DENIED: Error = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
const NO_TLS12: Error = Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic);

fn verify(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
    verify_tls13_signature_with_raw_key(message, &spki, dss, algorithms)
}
