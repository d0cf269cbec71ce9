"""The responder's half of WireGuard, from its paper (https://www.wireguard.com/papers/
wireguard.pdf section 5.4): hashlib's BLAKE2s, libsodium's curve and cipher. One peer."""

import ctypes
import hashlib
import hmac
import os
import struct

INITIATION, RESPONSE, DATA = 1, 2, 4
INITIATION_LEN, HEADER_LEN, TAG_LEN = 148, 16, 16

sodium = ctypes.CDLL("libsodium.so.23")
if sodium.sodium_init() < 0:
    raise RuntimeError("libsodium")


def blake2s(*parts, key=b"", size=32):
    return hashlib.blake2s(b"".join(parts), key=key, digest_size=size).digest()


def kdf(key, material, count):
    secret = hmac.new(key, material, hashlib.blake2s).digest()
    outputs = [b""]
    for number in range(1, count + 1):
        outputs.append(
            hmac.new(secret, outputs[-1] + bytes([number]), hashlib.blake2s).digest())
    return outputs[1:]


def public_of(private):
    result = ctypes.create_string_buffer(32)
    sodium.crypto_scalarmult_base(result, private)
    return result.raw


def shared(private, public):
    result = ctypes.create_string_buffer(32)
    if sodium.crypto_scalarmult(result, private, public):
        raise ValueError("a bad public key")
    return result.raw


def seal(key, counter, plain, data=b""):
    result = ctypes.create_string_buffer(len(plain) + TAG_LEN)
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        result, None, plain, ctypes.c_ulonglong(len(plain)), data,
        ctypes.c_ulonglong(len(data)), None, struct.pack("<IQ", 0, counter), key)
    return result.raw


def open_sealed(key, counter, sealed, data=b""):
    result = ctypes.create_string_buffer(max(len(sealed) - TAG_LEN, 1))
    if len(sealed) < TAG_LEN or sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
            result, None, None, sealed, ctypes.c_ulonglong(len(sealed)), data,
            ctypes.c_ulonglong(len(data)), struct.pack("<IQ", 0, counter), key):
        raise ValueError("forged")
    return result.raw[:len(sealed) - TAG_LEN]


class Session:
    def __init__(self, theirs, receiving, sending):
        self.theirs, self.receiving, self.sending = theirs, receiving, sending
        self.counter = 0


class Peer:
    """private and public are ours; the peer's key is known beforehand."""

    def __init__(self, private, public, peer_public, preshared):
        self.private, self.public = private, public
        self.peer_public, self.preshared = peer_public, preshared
        self.timestamp = b""
        self.sessions = {}  # by our index
        self.current = None  # of which data has come
        self.index = int.from_bytes(os.urandom(3), "big") << 8

    def respond(self, message):
        """The response to an initiation; ValueError when it is not a good one."""
        if len(message) != INITIATION_LEN or blake2s(
                message[:116], key=blake2s(b"mac1----", self.public), size=16) != message[116:132]:
            raise ValueError("not for us")
        _, theirs, ephemeral, static, stamp = struct.unpack("<I I 32s 48s 28s", message[:116])
        chain = blake2s(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
        digest = blake2s(chain, b"WireGuard v1 zx2c4 Jason@zx2c4.com")
        digest = blake2s(blake2s(digest, self.public), ephemeral)
        chain, = kdf(chain, ephemeral, 1)
        chain, key = kdf(chain, shared(self.private, ephemeral), 2)
        if open_sealed(key, 0, static, digest) != self.peer_public:
            raise ValueError("somebody else")
        digest = blake2s(digest, static)
        chain, key = kdf(chain, shared(self.private, self.peer_public), 2)
        timestamp = open_sealed(key, 0, stamp, digest)
        if timestamp <= self.timestamp:
            raise ValueError("a replay")
        self.timestamp = timestamp
        return self.write_response(chain, blake2s(digest, stamp), ephemeral, theirs)

    def write_response(self, chain, digest, initiator, theirs):
        private = os.urandom(32)
        ephemeral = public_of(private)
        digest = blake2s(digest, ephemeral)
        chain, = kdf(chain, ephemeral, 1)
        chain, = kdf(chain, shared(private, initiator), 1)
        chain, = kdf(chain, shared(private, self.peer_public), 1)
        chain, tau, key = kdf(chain, self.preshared, 3)
        digest = blake2s(digest, tau)
        self.index = self.index & ~0xff | (self.index + 1) & 0xff
        body = struct.pack("<I I I", RESPONSE, self.index, theirs)[:12] + ephemeral
        body += seal(key, 0, b"", digest)
        self.sessions[self.index] = Session(theirs, *kdf(chain, b"", 2))
        return body + blake2s(
            body, key=blake2s(b"mac1----", self.peer_public), size=16) + bytes(16)

    def open(self, message):
        """What is inside data; the newest session is sent on from then on."""
        _, index, counter = struct.unpack("<I I Q", message[:HEADER_LEN])
        session = self.sessions.get(index)
        if not session:
            raise ValueError("an unknown session")
        plain = open_sealed(session.receiving, counter, message[HEADER_LEN:])
        self.current = session
        return plain

    def seal(self, plain):
        session = self.current
        header = struct.pack("<I I Q", DATA, session.theirs, session.counter)
        session.counter += 1
        return header + seal(session.sending, session.counter - 1, plain)
