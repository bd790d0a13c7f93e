"""Certificates made by the openssl command: an authority, what it signs, and keystores of them for Java."""

import datetime
import pathlib
import subprocess

PASSWORD = "changeit"
CONFIG = """
[ca]
default_ca = authority
[authority]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
organizationName = optional
organizationalUnitName = optional
commonName = supplied
"""


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"openssl {' '.join(map(str, arguments))}: {done.stderr}"


class Authority:
    """Its certificate is at .certificate; folder is its own."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.certificate, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(CONFIG.format(folder=self.folder))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 3650, "-subj", f"/CN={name}",
                "-keyout", self.key, "-out", self.certificate)

    def sign(self, name, subject=None, names="IP:127.0.0.1,DNS:localhost", starts_s=-3600, ends_s=24 * 3600):
        """An Identity whose certificate is valid from starts_s to ends_s, in seconds from now."""
        made = Identity(self, self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject or f"/CN={name}",
                "-addext", f"subjectAltName={names}", "-keyout", made.key, "-out", request)
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = (f"{now + datetime.timedelta(seconds=s):%Y%m%d%H%M%SZ}" for s in (starts_s, ends_s))
        openssl("ca", "-batch", "-config", self.folder / "ca.cnf", "-cert", self.certificate, "-keyfile", self.key, "-in", request,
                "-out", made.certificate, "-startdate", start, "-enddate", end, "-notext")
        return made

    def truststore(self):
        """A PKCS12 file that Java trusts."""
        path = self.folder / "trust.p12"
        if not path.exists():
            subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", self.certificate, "-keystore", path,
                            "-storetype", "PKCS12", "-storepass", PASSWORD], check=True, capture_output=True, timeout=60)
        return path


class Identity:
    def __init__(self, authority, certificate, key):
        self.authority, self.certificate, self.key = authority, certificate, key

    def keystore(self):
        """A PKCS12 file that a Java client shows."""
        path = self.certificate.with_suffix(".p12")
        openssl("pkcs12", "-export", "-in", self.certificate, "-inkey", self.key, "-certfile", self.authority.certificate, "-name", "client",
                "-passout", f"pass:{PASSWORD}", "-out", path)
        return path

    def librdkafka(self):
        """The settings of librdkafka that show it."""
        return {"ssl.certificate.location": str(self.certificate), "ssl.key.location": str(self.key)}
