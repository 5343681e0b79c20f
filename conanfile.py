# SPDX-License-Identifier: Apache-2.0
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir
from conan.tools.scm import Version

required_conan_version = ">=2.1"


class YonderConan(ConanFile):
    name = "yonder"
    description = "Write a C++ function once; call it here, or on a worker elsewhere"
    license = "Apache-2.0"
    topics = ("rpc", "distributed", "gpu", "zeromq", "transformers")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "fPIC": [True, False],
        "zmq": [True, False],
        "sockets": [True, False],
        "ml": [True, False],
        "cuda": [True, False],
        "asio": [True, False],
        "http": [True, False],
        "launch": [True, False],
        "tools": [True, False],
    }
    default_options = {"shared": False, "fPIC": True, "zmq": True, "sockets": False, "ml": True, "cuda": False, "asio": False, "http": False,
                       "launch": False, "tools": False}
    exports_sources = "CMakeLists.txt", "LICENSE", "cmake/*", "docs/man/*", "packaging/systemd/*", "include/*", "src/*", "transports/*", "kernels/*", "!kernels/tests/*", "!kernels/fuzz/*"

    @property
    def _oldest_compilers(self):
        return {"gcc": "11", "clang": "14"}

    @property
    def _components(self):
        return ["core"] + (["zmq"] if self.options.zmq else []) + (["sockets"] if self.options.get_safe("sockets") else []) + (["ml"] if self.options.ml else []) + (
            ["asio"] if self.options.asio else []) + (["http"] if self.options.http else []) + (["launch"] if self.options.launch else [])

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "include", "yonder", "version.hpp"))
        parts = (re.search(rf"#define YONDER_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH"))
        self.version = ".".join(found.group(1) for found in parts)

    def configure(self):
        if self.options.shared:
            self.options.rm_safe("fPIC")
        if not self.options.ml:
            self.options.rm_safe("cuda")
        if not self.options.zmq:
            self.options.rm_safe("tools")  # the yonder command serves hubs and workers over ZeroMQ
            self.options.rm_safe("sockets")  # its keys are those of zmq

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("cereal/1.3.2", transitive_headers=True)
        if self.options.zmq:
            self.requires("zeromq/4.3.5")
            self.requires("cppzmq/4.10.0")
        if self.options.ml:
            self.requires("nlohmann_json/3.11.3")
        if self.options.asio and not self.options.http:
            self.requires("boost/1.83.0", transitive_headers=True)
        if self.options.http:
            self.requires("boost/1.83.0", transitive_headers=bool(self.options.asio))
        if self.options.http or self.options.get_safe("sockets"):
            self.requires("openssl/[>=3 <4]")
        if self.options.launch:
            self.requires("tomlplusplus/3.4.0")
        if self.options.get_safe("tools"):
            self.requires("cli11/2.4.2")

    def build_requirements(self):
        self.tool_requires("cmake/[>=3.25 <4]")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration(f"{self.ref} runs on Linux only, not yet on {self.settings.os}")
        check_min_cppstd(self, 20)
        compiler = str(self.settings.compiler)
        oldest = self._oldest_compilers.get(compiler)
        if oldest is None or Version(self.settings.compiler.version) < oldest:
            supported = ", ".join(f"{name} {version} or later" for name, version in self._oldest_compilers.items())
            raise ConanInvalidConfiguration(
                f"{self.ref} needs {supported}; this profile has {compiler} {self.settings.compiler.version}")
        # One that stands in for it (platform_requires) has no options.
        zeromq = [found for needed, found in self.dependencies.host.items() if needed.ref.name == "zeromq"]
        if any(str(found.options.get_safe("encryption")) == "False" for found in zeromq):
            raise ConanInvalidConfiguration(
                f"{self.ref} with zmq needs ZeroMQ's encryption (CURVE keys); use zeromq/*:encryption=libsodium, or yonder/*:zmq=False")

    def generate(self):
        toolchain = CMakeToolchain(self)
        switches = {
            "YONDER_BUILD_TESTS": False,
            "YONDER_BUILD_EXAMPLES": False,
            "YONDER_INSTALL": True,
            "YONDER_WITH_ZMQ": bool(self.options.zmq),
            "YONDER_WITH_ML": bool(self.options.ml),
            "YONDER_BUILD_TOOLS": bool(self.options.get_safe("tools")),
        }
        for name, value in switches.items():
            toolchain.cache_variables[name] = value
        toolchain.cache_variables["YONDER_WITH_ASIO"] = "ON" if self.options.asio else "OFF"
        toolchain.cache_variables["YONDER_WITH_HTTP"] = "ON" if self.options.http else "OFF"
        toolchain.cache_variables["YONDER_WITH_SOCKETS"] = "ON" if self.options.get_safe("sockets") else "OFF"
        toolchain.cache_variables["YONDER_WITH_LAUNCH"] = "ON" if self.options.launch else "OFF"
        toolchain.cache_variables["YONDER_WITH_CUDA"] = "ON" if self.options.get_safe("cuda") else "OFF"
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))  # Conan's own are relocatable with it

    def package_info(self):
        # find_package(yonder COMPONENTS …) reads the library's own configuration.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "yonder")]
        requirements = {"core": ["cereal::cereal"], "zmq": ["core", "zeromq::zeromq", "cppzmq::cppzmq"],
                        "sockets": ["zmq", "openssl::openssl"], "ml": ["core", "nlohmann_json::nlohmann_json"], "asio": ["core", "boost::headers"],
                        "http": ["core", "boost::headers", "openssl::openssl"],
                        "launch": ["core", "tomlplusplus::tomlplusplus"]}
        for name in self._components:
            component = self.cpp_info.components[name]
            component.libs = [] if name == "asio" else [f"yonder_{name}"]
            component.requires = requirements[name]
            component.set_property("cmake_target_name", f"yonder::{name}")
            component.set_property("pkg_config_name", f"yonder-{name}")
            component.builddirs = self.cpp_info.builddirs
        if self.options.zmq:
            self.cpp_info.components["zmq"].defines = ["YONDER_HAS_ZMQ=1"]
        if self.options.get_safe("sockets"):
            self.cpp_info.components["sockets"].defines = ["YONDER_HAS_SOCKETS=1"]
        if self.options.http:
            self.cpp_info.components["http"].defines = ["YONDER_HAS_HTTP=1"]
        if self.options.launch:
            self.cpp_info.components["launch"].defines = ["YONDER_HAS_LAUNCH=1"]
        if self.options.get_safe("cuda") and not self.options.shared:
            # Of the machine's own toolkit, whose folder the consumer's linker has to know; the own CMake configuration finds it.
            self.cpp_info.components["ml"].system_libs = ["cudart_static", "rt"]
        self.cpp_info.components["core"].system_libs = ["pthread", "dl"]
        self.cpp_info.components["core"].defines = ["YONDER_LINKS_CORE=1"]
        if self.options.get_safe("tools"):
            self.cpp_info.components["core"].requires.append("cli11::cli11")
