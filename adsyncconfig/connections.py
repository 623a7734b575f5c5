"""The connections to a forest: which controller of which domain, and as whom.

Rule 1: a server that is named is used as it is named. A bare name that DNS knows as a domain's means one of its
        controllers; without a name, the domain of the user's own name, or of the user's ticket, is meant.
Rule 2: of several controllers the first that answers is used, and every write to that domain goes there.
Rule 3: a controller that refuses the credentials ends the search: trying them on every one locks accounts out.
Rule 4: a domain's own credentials go to that domain's controllers alone; the others get the common ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .credential import Credential, TlsOptions
from .errors import ParameterError, Unreachable
from .kerberos import ticket
from .live import LiveDirectory
from .locate import controllers
from .logon import Notify
from .transport import is_address

if TYPE_CHECKING:
    from dns.resolver import Resolver

__all__ = ["ForestConnections"]


class ForestConnections:
    """Connections to the controllers of one forest, made when first needed and closed together.

    ``servers`` and ``credentials`` map the DNS names of domains to their server's URL and to credentials of
    their own; ``resolver`` None asks the system's name servers; ``notify`` is told how each logon is done.
    """

    def __init__(
        self,
        credential: Credential,
        options: TlsOptions,
        *,
        servers: Mapping[str, str] | None = None,
        credentials: Mapping[str, Credential] | None = None,
        resolver: Resolver | None = None,
        notify: Notify | None = None,
    ) -> None:
        self._credential = credential
        self._options = options
        self._servers = {name.lower(): url for name, url in (servers or {}).items()}
        self._credentials = {name.lower(): each for name, each in (credentials or {}).items()}
        self._resolver = resolver
        self._notify = notify
        self._open: dict[str, LiveDirectory] = {}

    def first(self, server: str | None) -> LiveDirectory:
        """The directory to begin with: at this server, or at a controller of the user's own domain.

        Raises ParameterError where nothing says which domain is meant, Unreachable, AuthenticationFailed.
        """
        if server is None:
            domain = self._credential.domain or self._realm()
            urls = self._controllers(domain) if domain else ()
            if not urls:
                raise ParameterError(
                    f"name a server: DNS knows no controllers of '{domain}'"
                    if domain
                    else "name a server, or log on as user@domain, so that its controllers can be found"
                )
        else:
            urls = self._urls(server)
        directory = self._connect(urls, self._credential)
        self._open[directory.root.domain] = directory
        return directory

    def domain(self, name: str) -> LiveDirectory:
        """The directory of this domain. Raises Unreachable, with what to do, and AuthenticationFailed."""
        name = name.lower()
        if name in self._open:
            return self._open[name]
        named = self._servers.get(name)
        hint = f"name its server as -Server {name}=ldaps://host"
        try:
            urls = (named,) if named else self._controllers(name) or (f"ldaps://{name}",)
            directory = self._connect(urls, self._credentials.get(name, self._credential))
        except Unreachable as error:
            raise Unreachable(f"domain {name}: {error}" + ("" if named else f"; {hint}")) from error
        if directory.root.domain != name:
            directory.disconnect()
            raise Unreachable(
                f"'{urls[0]}' is a controller of {directory.root.domain}, not of {name}: "
                f"name the right server as -Server {name}=ldaps://host"
            )
        self._open[name] = directory
        return directory

    def close(self) -> None:
        """Let go of every connection."""
        for directory in self._open.values():
            directory.disconnect()
        self._open.clear()

    def _realm(self) -> str:
        """The domain of the ticket that would be used, where no user is named."""
        if self._credential.user or self._credential.method not in ("auto", "kerberos"):
            return ""
        return (ticket().principal or "").rpartition("@")[2].lower()

    def _urls(self, server: str) -> tuple[str, ...]:
        if "://" in server or ":" in server or is_address(server):
            return (server,)
        try:
            found = self._controllers(server)
        except Unreachable:
            found = ()  # a host may be known where no name server answers
        return found or (server,)

    def _controllers(self, domain: str) -> tuple[str, ...]:
        scheme = "ldap" if self._options.starttls else "ldaps"
        return tuple(f"{scheme}://{host}" for host in controllers(domain, resolver=self._resolver))

    def _connect(self, urls: tuple[str, ...], credential: Credential) -> LiveDirectory:
        failures = []
        for url in urls:
            try:
                return LiveDirectory.connect(url, credential, self._options, forest=self, notify=self._notify)
            except Unreachable as error:
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        raise Unreachable("; ".join(map(str, failures)))
