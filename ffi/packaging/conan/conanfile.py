"""conan create ffi/packaging/conan: the library of this tree as a Conan 2 package."""

import re
from pathlib import Path

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, load, rm, rmdir


class Ringws(ConanFile):
    name = "ringws"
    description = "A WebSocket engine for Linux: a thread and an io_uring per core, with a C ABI"
    license = "MIT OR Apache-2.0"
    topics = ("websocket", "io_uring", "c", "cpp")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False], "tls": [True, False], "nats": [True, False], "mimalloc": [True, False]
    }
    default_options = {"shared": False, "tls": True, "nats": False, "mimalloc": False}

    @property
    def _tree(self):
        return Path(self.recipe_folder).parents[2]

    def set_version(self):
        text = load(self, str(self._tree / "Cargo.toml"))
        self.version = re.search(r'^version = "(.+)"', text, re.MULTILINE).group(1)

    def export_sources(self):
        for pattern in (
            "Cargo.*", "LICENSE-*", ".cargo/*", "include/*", "engine/*", "ffi/*", "autobahn/*"
        ):
            copy(self, pattern, self._tree, self.export_sources_folder, excludes="*/target/*")

    def validate(self):
        if self.settings.os != "Linux" or self.settings.arch not in ("x86_64", "armv8"):
            raise ConanInvalidConfiguration("ringws needs Linux on a 64-bit machine")
        if self.options.nats and not self.options.tls:
            raise ConanInvalidConfiguration("nats needs tls")

    def package_id(self):
        # C's ABI, and always the release of it.
        del self.info.settings.compiler
        del self.info.settings.build_type

    def package(self):
        wanted = [
            "" if self.options.tls else "--no-tls",
            "--nats" if self.options.nats else "",
            "--mimalloc" if self.options.mimalloc else "",
        ]
        self.run(
            f'cargo install-ringws --prefix "{self.package_folder}" {" ".join(wanted)}',
            cwd=self.source_folder,
        )
        package = Path(self.package_folder)
        copy(self, "*", str(package / "share/doc/ringws"), str(package / "licenses"))
        lib = str(package / "lib")
        # Conan writes these itself, or wants them elsewhere.
        rmdir(self, str(package / "share"))
        rmdir(self, str(Path(lib) / "cmake"))
        rmdir(self, str(Path(lib) / "pkgconfig"))
        rm(self, "*.a" if self.options.shared else "*.so*", lib)

    def package_info(self):
        self.cpp_info.libs = ["ringws"]
        self.cpp_info.set_property("cmake_file_name", "ringws")
        self.cpp_info.set_property("cmake_target_name", "ringws::ringws")
        self.cpp_info.set_property("pkg_config_name", "ringws")
        if not self.options.shared:
            self.cpp_info.set_property("cmake_target_aliases", ["ringws::static"])
            self.cpp_info.system_libs = ["pthread", "dl"]
