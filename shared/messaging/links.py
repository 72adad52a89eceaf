"""How each client connects to a broker: redis-py, and Celery with kombu. The one place where such options are made.

With TLS every one of them verifies the certificate and the name in it; nothing turns that off.
"""

import ssl
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shared.messaging.prefixed import Client
from shared.settings import SettingsError
from shared.settings.broker_address import AMQP, SENTINEL, Address
from shared.settings.sections import BrokerTlsSettings as Tls

SOCKET_TIMEOUT_S = 5
CONNECT_TIMEOUT_S = 5
CELERY_SOCKET_TIMEOUT_S = 10
VISIBILITY_TIMEOUT_S = 300
HEARTBEAT_S = 20  # of RabbitMQ's connections: one that was silent for twice as long is ended by either side
_HEALTH_CHECK_S = 30
_NO_TLS = Tls()


def client(address: Address, tls: Tls = _NO_TLS, prefix: str = "", **more: Any) -> "redis.Redis":
    """A client of Redis or Valkey that fails fast; behind Sentinel it finds the master again at each connection.
    prefix: stands before each key.

    Raises SettingsError for files of TLS that can't be read."""
    verified = _redis_tls(address, tls)
    common: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": _HEALTH_CHECK_S,
        **({"ssl": True, **verified} if verified else {}),
        **more,
    }
    own: dict[str, Any] = {"username": address.user, "password": address.password, "db": address.database}
    if address.family != SENTINEL:
        host, port = address.places[0]
        made = Client(host=host, port=port, retry=Retry(NoBackoff(), 0), **own, **common)
        made.key_prefix = prefix
        return made
    sentinels: Any = Sentinel(  # type: ignore[no-untyped-call]
        list(address.places),
        sentinel_kwargs={**_sentinels_own(address), "retry": Retry(NoBackoff(), 0), **common},
        retry=Retry(NoBackoff(), 0),
        **own,
        **common,
    )
    found: Client = sentinels.master_for(address.master, Client)
    found.key_prefix = prefix
    return found


def celery(address: Address, tls: Tls = _NO_TLS, prefix: str = "") -> dict[str, Any]:
    """Celery's settings that have to do with its broker. prefix: stands before each key and channel of Redis'; RabbitMQ
    has virtual hosts for that. Raises SettingsError as `client` does.

    Celery shows its settings to whoever may ask a worker: what is secret stands under a name that it hides.
    """
    if address.family == AMQP:
        return _rabbitmq(address, tls)
    options: dict[str, Any] = {
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_timeout": CELERY_SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": _HEALTH_CHECK_S,
        **({"global_keyprefix": prefix} if prefix else {}),
    }
    verified = _redis_tls(address, tls)
    scheme = "rediss" if verified else "redis"
    if address.family == SENTINEL:
        scheme, more = "sentinel", {"ssl": True, **verified} if verified else {}
        timeouts = {"socket_timeout": SOCKET_TIMEOUT_S, "socket_connect_timeout": CONNECT_TIMEOUT_S}
        options |= {"master_name": address.master, "sentinel_kwargs": {**_sentinels_own(address), **timeouts, **more}}
    return {
        "broker_url": _urls(scheme, address),
        "broker_use_ssl": verified or False,
        "broker_transport_options": options,
    }


def _rabbitmq(address: Address, tls: Tls) -> dict[str, Any]:
    """Queues are quorum queues; `rabbitmq` has what is written there confirmed."""
    verified = (
        {
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": None,  # kombu puts the host's name there
            **_files(tls, ca="ca_certs", cert="certfile", key="keyfile"),
        }
        if address.tls
        else False
    )
    return {
        "broker_url": _urls("amqps" if address.tls else "amqp", address),
        "broker_use_ssl": verified,
        "broker_heartbeat": HEARTBEAT_S,
        "broker_connection_timeout": CONNECT_TIMEOUT_S,
        "broker_transport_options": {
            "read_timeout": CELERY_SOCKET_TIMEOUT_S,
            "write_timeout": CELERY_SOCKET_TIMEOUT_S,
        },
        "task_create_missing_queue_type": "quorum",
        "worker_detect_quorum_queues": True,  # they refuse a limit for the whole channel: it is each consumer's then
    }


def _urls(scheme: str, address: Address) -> str:
    """As kombu spells them."""
    user, password = (quote(text or "", safe="") for text in (address.user, address.password))
    account = f"{user}:{password}@" if user or password else ""
    path = quote(address.path, safe="")
    return ";".join(f"{scheme}://{account}{_bracketed(host)}:{port}/{path}" for host, port in address.places)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _sentinels_own(address: Address) -> dict[str, Any]:
    return {"username": address.sentinel_user, "password": address.sentinel_password}


def _redis_tls(address: Address, tls: Tls) -> dict[str, Any]:
    """redis-py's words, which are kombu's too. Empty without TLS."""
    if not address.tls:
        return {}
    files = _files(tls, ca="ssl_ca_certs", cert="ssl_certfile", key="ssl_keyfile")
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **files}


def _files(tls: Tls, *, ca: str, cert: str, key: str) -> dict[str, str]:
    """Where the files are, by a client's own names for them; they are looked at here, as each client would."""
    named = {ca: tls.ca_file, cert: tls.cert_file, key: tls.key_file}
    found = {name: str(path) for name, path in named.items() if path is not None}
    try:
        context = ssl.create_default_context(cafile=found.get(ca))
        if cert in found:
            context.load_cert_chain(found[cert], found[key])
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"the files of SETTLEPIPE_BROKER_TLS__… can't be used ({type(error).__name__}); each must be a readable PEM"
            " file, and the key the certificate's"
        ) from None
    return found
