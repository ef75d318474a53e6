"""paho's protocol engine with what its public interface leaves out: pings that are seen and sent at will, a socket
that is closed when the TLS handshake fails."""

import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from gateway.config.schema import MqttConfig
from gateway.errors import SourceError


class Engine(Client):
    """Says when it has sent a PINGREQ and when the answer has come, and sends one when it is told to, which paho's
    public interface does not."""

    def __init__(self, pinged: Callable[[], None], pong: Callable[[], None], client_id: str, **settings: Any) -> None:
        self._pinged, self._pong = pinged, pong
        super().__init__(CallbackAPIVersion.VERSION2, client_id, **settings)

    def ping(self) -> None:
        """Send a PINGREQ, unless the answer to one is awaited."""
        if self._ping_t == 0:
            self._send_pingreq()

    def _send_pingreq(self) -> MQTTErrorCode:
        code = super()._send_pingreq()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._pinged()
        return code

    def _handle_pingresp(self) -> MQTTErrorCode:
        code = super()._handle_pingresp()
        self._pong()
        return code


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which the engine leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  # the signature of the base class
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(config: MqttConfig) -> ssl.SSLContext:
    """What the connection is secured by. SourceError where the CA certificate cannot be used."""
    try:
        context = ssl.create_default_context(cafile=config.ca)
    except OSError as error:  # also what ssl raises for a file that holds no certificate
        raise SourceError(f"cannot use the CA certificate {config.ca}: {error.strerror or error}") from error
    context.sslsocket_class = _TlsSocket
    return context
