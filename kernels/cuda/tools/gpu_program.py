# SPDX-License-Identifier: Apache-2.0
"""What ./dev gpu runs: yonder_gpu, carried or built here, and the libraries that it needs."""
import ctypes
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
CARRIED = ROOT / "build" / "carried"
USUAL_NVCC = pathlib.Path("/usr/local/cuda/bin/nvcc")
PROGRAMS = ("yonder_gpu", "yonder_gpu_checked")
NEWEST_GLIBC = 34  # 2.34, of Debian 12, Ubuntu 22.04, RHEL 9
MOST_CARRIED_BYTES = 60 << 20
PATIENCE = 3  # seconds, after SIGKILL


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Unusable(Exception):
    """There is nothing to check here; the text says why."""


class Unbelievable(Exception):
    """An answer that cannot be true."""


class Program:
    """A process that answers commands with lines of JSON. One that failed, or was too late, is started anew by the next."""

    def __init__(self, command, environment, leads=True):
        """`leads`: what it starts ends with it."""
        self.leads = leads
        self.command = [str(word) for word in command]
        self.environment = environment
        self.process = None

    def start(self):
        self.errors = tempfile.TemporaryFile(mode="w+", errors="replace")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, errors="replace", env=self.environment, start_new_session=self.leads,
                                        preexec_fn=ending_with(os.getpid()))
        self.lines = queue.SimpleQueue()
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout, self.lines), daemon=True)
        self.reader.start()

    @staticmethod
    def read(stream, lines):
        with stream:
            for line in stream:
                lines.put(line.strip())
        lines.put(None)

    def ask(self, *words, seconds, title=None):
        """Yields the rows of the answer as they come. All of them must have come within so many seconds. `title`: what
        errors call the command."""
        if self.process is None:
            self.start()
        command = " ".join(str(word) for word in words)
        title = title or command
        end = time.monotonic() + seconds
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        while True:
            try:
                line = self.next_line(end)
            except queue.Empty:
                self.stop()
                raise TimeoutError(f"{title}: not done after {seconds:.1f} s") from None
            if line is None:
                try:
                    status = self.process.wait(PATIENCE)
                except subprocess.TimeoutExpired:  # its output is closed, and it hangs
                    status = "nothing, and was killed"
                why = self.stop()
                raise (Unusable if status == 3 else RuntimeError)(
                    f"{title}: {why or 'the program'} (it ended with {status})")
            if line == "done":
                return
            if line.startswith("failed: "):
                self.stop()
                raise RuntimeError(f"{title}: {line[len('failed: '):]}")
            if line.startswith("{"):
                try:
                    row = json.loads(line)
                except ValueError:
                    self.stop()
                    raise Unbelievable(f"{title}: a line that is no JSON: {line[:80]}") from None
                yield row

    def next_line(self, end):
        """None where it ended, even if what it started holds its output. Raises queue.Empty when the time is over."""
        while True:
            ended = self.process.poll() is not None
            try:
                return self.lines.get(timeout=max(0.0, min(1.0, end - time.monotonic())))
            except queue.Empty:
                if ended:
                    return None
                if time.monotonic() >= end:
                    raise

    def stop(self):
        """What it said on stderr."""
        if self.process is None:
            return ""
        if self.leads:
            kill_group(self.process)
        self.process.kill()
        try:
            self.process.wait(PATIENCE)  # one that hangs within the driver does not end
            self.process.stdin.close()
        except (subprocess.TimeoutExpired, BrokenPipeError):
            pass
        self.process = None
        with self.errors:
            self.errors.seek(0)
            return self.errors.read().strip()[-2000:]


def run_to_end(command, seconds, environment, stdin=""):
    """(status, output) of a command that ended within so many seconds. With it, or when the time is over, its whole process
    group is killed. Its output is a file: nothing that holds it is waited for. What does not even end when it is killed, within
    the driver, is left behind."""
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(stdin.encode())
        asked.seek(0)
        process = subprocess.Popen([str(word) for word in command], stdin=asked, stdout=said, stderr=subprocess.STDOUT,
                                   env=environment, start_new_session=True, preexec_fn=ending_with(os.getpid()))
        late = ""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = f"not done after {seconds:.1f} s"
        finally:  # also where this program is to end
            kill_group(process)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            late += ", and it does not end when it is killed"
        said.seek(0)
        output = said.read().decode(errors="replace")
    if late:
        raise TimeoutError(f"{pathlib.Path(command[0]).name}: {late}; {output[-300:]}")
    return process.returncode, output


def ending_with(parent):
    """For what this process starts: it ends, whatever ends this one."""
    def ask_kernel():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # that was too late
            os.kill(os.getpid(), signal.SIGKILL)
    return ask_kernel


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def said_by(*command, seconds=10.0):
    """What a small command prints; nothing where it is not there, fails, or takes more than these seconds."""
    try:
        status, output = run_to_end(command, seconds, dict(os.environ))
    except (OSError, TimeoutError):
        return ""
    return output if status == 0 else ""


# ---- cuBLASLt ---------------------------------------------------------------------------------------------------

def toolkit_folders():
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda", *sorted(
        map(str, pathlib.Path("/usr/local").glob("cuda-*")), reverse=True)]
    return [pathlib.Path(home) / part for home in homes if home for part in ("lib64", "lib", "targets/x86_64-linux/lib")]


def loader_folders():
    stated = [pathlib.Path(folder) for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    known = said_by(shutil.which("ldconfig") or "/sbin/ldconfig", "-p")
    return stated + [pathlib.Path(path).parent for path in re.findall(r"=> (\S*libcublasLt\.so\.\d+)", known)]


def wheel_folders():
    """Of PyTorch's wheel, which brings nvidia/…/lib, for this Python and the one on PATH."""
    places = [pathlib.Path(place) for place in sys.path if place]
    other = shutil.which("python3")
    if other and pathlib.Path(other).resolve() != pathlib.Path(sys.executable).resolve():
        told = said_by(other, "-c", "import sys; print('\\n'.join(sys.path))")
        places += [pathlib.Path(place) for place in told.splitlines() if place]
    return [folder for place in places for folder in sorted(place.glob("nvidia/*/lib"))]


def find_cublaslt(folders=None):
    """The folder of libcublasLt.so.13, or else .12; None where there is neither."""
    folders = [*toolkit_folders(), *loader_folders(), *wheel_folders()] if folders is None else folders
    for major in (13, 12):
        for folder in folders:
            try:
                if (folder / f"libcublasLt.so.{major}").stat().st_size > 0:
                    return folder
            except OSError:  # not there, or not for this user
                pass
    return None


def environment_for(out):
    """Of the peers, which start yonder_gpu in turn."""
    return dict(os.environ) | {"YONDER_GPU_CACHE": str(out.resolve()), "YONDER_GPU_LIBRARY": str(find_cublaslt() or "")}


def of_yonder_gpu(environment):
    """For it alone, as PyTorch brings a cuBLASLt and caches of its own: the library, and what it tunes is kept in the
    folder of the record. Both are absolute, or the program would pass them over."""
    path = ":".join(filter(None, [environment.get("YONDER_GPU_LIBRARY"), environment.get("LD_LIBRARY_PATH")]))
    cache = environment.get("YONDER_GPU_CACHE")
    return environment | ({"LD_LIBRARY_PATH": path} if path else {}) | ({"XDG_CACHE_HOME": cache} if cache else {})


# ---- built beforehand, or here -------------------------------------------------------------------------------------

def fat_code(data):
    """The architectures of machine code and of PTX in a binary: the headers of CUDA's fat binaries name them."""
    machine, ptx = set(), set()
    at = data.find(b"\x50\xed\x55\xba")
    while at >= 0:
        header, size = int.from_bytes(data[at + 6:at + 8], "little"), int.from_bytes(data[at + 8:at + 16], "little")
        part, end = at + header, min(at + header + size, len(data))
        while part + 32 <= end:
            kind, head = int.from_bytes(data[part:part + 2], "little"), int.from_bytes(data[part + 4:part + 8], "little")
            length, arch = int.from_bytes(data[part + 8:part + 16], "little"), int.from_bytes(data[part + 28:part + 32], "little")
            if head < 32 or head > 4096:
                break
            (ptx if kind == 1 else machine).add(arch)
            part += head + length
        at = data.find(b"\x50\xed\x55\xba", at + 4)
    return machine, ptx


def make_executable(folder):
    """What copies files between machines may lose their modes."""
    for name in PROGRAMS:
        path = folder / name
        if not os.access(path, os.X_OK):
            path.chmod(path.stat().st_mode | 0o700)


def check_carried(folder):
    """What keeps the programs from running on a machine that has nothing but a driver."""
    wrong = []
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if total > MOST_CARRIED_BYTES:
        wrong.append(f"{total} bytes are to be carried, at most {MOST_CARRIED_BYTES}")
    for name in PROGRAMS:
        path = folder / name
        if not path.exists():
            wrong.append(f"{name} is not there")
            continue
        data = path.read_bytes()
        newest = max((int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?=\0)", data)), default=0)
        if newest > NEWEST_GLIBC:
            wrong.append(f"{name} needs GLIBC 2.{newest}, at most 2.{NEWEST_GLIBC}")
        if b"\0libstdc++.so" in data:
            wrong.append(f"{name} needs libstdc++.so")
        machine, ptx = fat_code(data)
        if not {80, 90} <= machine or not ptx:
            wrong.append(f"{name} has machine code for {sorted(machine)} and PTX for {sorted(ptx)}; needs 80, 90 and PTX")
    return wrong


def driver_version():
    """The newest major version of CUDA that the driver serves; 0 without a driver."""
    version = ctypes.c_int(0)
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        pass
    return version.value // 1000


def toolkit_version():
    """The major version of nvcc; 0 without one."""
    found = re.search(r"release (\d+)\.", said_by(shutil.which("nvcc") or USUAL_NVCC, "--version"))
    return int(found.group(1)) if found else 0


def toolkit_suits_driver():
    return 0 < toolkit_version() <= driver_version()


def cmake_build(folder, log, seconds, architecture="", host_compiler=None):
    """Builds both programs; returns the folder that has them."""
    for tool in ("cmake", "ninja"):
        if shutil.which(tool) is None:
            raise Unusable(f"{tool} is not installed, and nothing that was carried starts")
    compiler = [f"-DCMAKE_CUDA_COMPILER={USUAL_NVCC}"] if shutil.which("nvcc") is None and USUAL_NVCC.exists() else []
    if host_compiler:
        compiler += [f"-DCMAKE_CXX_COMPILER={host_compiler}", f"-DCMAKE_CUDA_HOST_COMPILER={host_compiler}"]
    header = CARRIED / "nlohmann" / "json.hpp"
    json_folder = [f"-DYONDER_JSON_INCLUDE={CARRIED}"] if header.exists() else []
    cache = [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("CXX", "CUDA")] if shutil.which("ccache") else []
    configure = ["cmake", "-S", ROOT / "kernels", "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                 "-DYONDER_WITH_CUDA=ON", "-DYONDER_BUILD_TESTS=OFF", f"-DYONDER_CUDA_ARCHITECTURE={architecture}",
                 *compiler, *json_folder, *cache]
    end = time.monotonic() + seconds
    log.parent.mkdir(parents=True, exist_ok=True)
    for step in (configure, ["cmake", "--build", folder, "--target", *PROGRAMS]):
        status, output = run_to_end(step, max(1.0, end - time.monotonic()), dict(os.environ))
        with log.open("a") as out:
            out.write(output[-200_000:])
        if status != 0:
            raise RuntimeError(f"kernels/ does not build ({log}): {output[-1500:]}")
    return folder / "tools"


def prepare():
    """Builds what is carried, into build/carried. From GCC 12 on its static libraries need GLIBC 2.36."""
    folder = ROOT / "build" / "gpu"
    built = cmake_build(folder, folder / "build.log", 3600, host_compiler=shutil.which("g++-11"))
    CARRIED.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        shutil.copy2(built / name, CARRIED / name)
    for place in (ROOT / "build" / "json", pathlib.Path("/usr/include"), pathlib.Path("/usr/local/include")):
        if (place / "nlohmann" / "json.hpp").exists():
            shutil.copytree(place / "nlohmann", CARRIED / "nlohmann", dirs_exist_ok=True)
            break
    return check_carried(CARRIED)


# The compute capability of cuda:0 as CUDA counts, which CUDA_VISIBLE_DEVICES and MIG decide; nvidia-smi counts otherwise.
ASK_CAPABILITY = """import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
for failed in (cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0),
               cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device),
               cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)):
    if failed:
        raise SystemExit(1)
print(f"{major.value}{minor.value}")
"""


def own_architecture(seconds):
    """As nvcc names that of cuda:0, wgmma being in 90a alone; nothing, for all, where the driver does not say it in time, or
    nvcc does not know it."""
    number = said_by(sys.executable, "-c", ASK_CAPABILITY, seconds=seconds).strip()
    known = said_by(shutil.which("nvcc") or USUAL_NVCC, "--list-gpu-code").split()
    if f"sm_{number}" not in known:
        return ""
    return "90a" if number == "90" else number
