"""The master key in a hardware module, through PKCS#11: it wraps and unwraps there, and is never given away.

Needs the extra `hsm` (python-pkcs11) and the module's own library. The keys are AES-256, made in the token, sensitive and not
extractable, labelled `tongbao-master-1`, `-2`, …: the highest number wraps.
Source: PKCS #11 3.1, 6.13.6 (AES-GCM); NIST SP 800-38D.
"""

from __future__ import annotations

import os
import re
import threading
from typing import Any

from tongbao.kernel.errors import InvariantBroken
from tongbao.security.master import MasterKeyError

_LABEL = re.compile(r"tongbao-master-([1-9][0-9]{0,5})")
_NONCE = 12


class TokenMaster:
    """Master keys in the token `label` of a PKCS#11 module.

    One session for the process, one use of it at a time: modules differ in what they bear from threads.
    """

    def __init__(self, module: str, label: str, pin: str) -> None:
        try:
            import pkcs11
        except ImportError:
            raise MasterKeyError("a master key in a hardware module needs the extra hsm: pip install 'tongbao[hsm]'") from None
        self._pkcs11: Any = pkcs11
        self._lock = threading.RLock()
        try:
            token = pkcs11.lib(module).get_token(token_label=label)
            try:
                self._session: Any = token.open(rw=True, user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:  # by this very process: all its sessions with a token share the log-in
                self._session = token.open(rw=True)
        except Exception as failure:  # of many kinds, each module's own
            raise MasterKeyError(f"token {label!r} of {module} does not open: {type(failure).__name__}: {failure}") from failure

    @classmethod
    def made(cls, module: str, label: str, pin: str) -> TokenMaster:
        """The token's, with a first key if it has none."""
        token = cls(module, label, pin)
        with token._lock:
            if not token._numbers():
                token.rotate()
        return token

    def current(self) -> str:
        with self._lock:
            return self._label(self._newest())

    def wrap(self, key: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        with self._lock:
            return nonce + bytes(self._key(self._newest()).encrypt(key, **self._how(nonce, place)))

    def unwrap(self, name: str, wrapped: bytes, place: bytes) -> bytes:
        match = _LABEL.fullmatch(name)
        with self._lock:
            if match is None or int(match[1]) not in self._numbers():
                raise MasterKeyError(f"a key is wrapped by master key {name}, which this token does not have")
            try:
                opened = self._key(int(match[1])).decrypt(wrapped[_NONCE:], **self._how(wrapped[:_NONCE], place))
            except self._pkcs11.PKCS11Error:
                raise InvariantBroken("a wrapped key does not fit its master key and its place") from None
        return bytes(opened)

    def rotate(self) -> str:
        attribute = self._pkcs11.Attribute
        with self._lock:
            number = max(self._numbers(), default=0) + 1
            self._session.generate_key(
                self._pkcs11.KeyType.AES, 256, label=self._label(number), store=True,
                template={attribute.SENSITIVE: True, attribute.EXTRACTABLE: False},
            )  # fmt: skip
        return self._label(number)

    def retire(self) -> None:
        with self._lock:
            newest = self._newest()
            for number in self._numbers() - {newest}:
                self._key(number).destroy()

    def _newest(self) -> int:
        numbers = self._numbers()
        if not numbers:
            raise MasterKeyError("the token holds no master key of this installation")
        return max(numbers)

    def _numbers(self) -> set[int]:
        pkcs11 = self._pkcs11
        found = self._session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY})
        return {int(match[1]) for each in found if (match := _LABEL.fullmatch(getattr(each, "label", None) or ""))}

    def _key(self, number: int) -> Any:
        return self._session.get_key(object_class=self._pkcs11.ObjectClass.SECRET_KEY, label=self._label(number))

    def _label(self, number: int) -> str:
        return f"tongbao-master-{number}"

    def _how(self, nonce: bytes, place: bytes) -> dict[str, Any]:
        pkcs11 = self._pkcs11
        return {"mechanism": pkcs11.Mechanism.AES_GCM, "mechanism_param": pkcs11.GCMParams(nonce, place, 128)}
