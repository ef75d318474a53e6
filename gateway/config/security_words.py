"""How a session with an OPC UA server is protected, as people and other programs write it."""

import re

from gateway.config.near_words import nearest

POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
_OLD = re.compile(r"basic(256|128rsa15)(?!sha256)")
"""Policies that are broken, and no longer taken (Part 7)."""
_NONE = frozenset({"none", "off", "no", "false", "nonenone", "disabled", "without"})
_MODES = {"sign": "Sign", "signencrypt": "SignAndEncrypt", "encrypt": "SignAndEncrypt"}
_NEAR = 0.7
_WORD = re.compile(r"[\W_]+")


def meant_security(written: str) -> str:
    """The end of a message about `written`, which is no policy and mode: what is meant by it, if clear."""
    folded = _WORD.sub("", written.rpartition("#")[2]).casefold().replace("and", "")
    if folded in _NONE:
        return "; did you mean 'none'?"
    policy = next((each for each in POLICIES if each.casefold() in folded), None)
    rest = folded.replace(policy.casefold(), "") if policy is not None else _OLD.sub("", folded)
    mode = _MODES[near] if (near := nearest(rest, _MODES, _NEAR)) is not None else None
    if rest and mode is None:
        return "; did you mean 'none'?" if nearest(folded, ["none"], _NEAR) is not None else ""
    mode = mode or "SignAndEncrypt"
    if policy is None and _OLD.match(folded):
        return f": this policy is broken, and not taken any more; where the server has it, '{POLICIES[0]}/{mode}'"
    return f"; did you mean '{policy or POLICIES[0]}/{mode}'?"
