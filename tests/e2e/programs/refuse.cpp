// SPDX-License-Identifier: Apache-2.0
//
// refuse ERROR PROGRAM: runs a program where newer system calls fail, with the number of an error, as on an
// old kernel or under an old profile of a container: pidfd_open, pidfd_send_signal, close_range,
// epoll_pwait2.
// refuse threads PROGRAM: the same where no thread can be started.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>

namespace {

// Exit status 77: this system lets nobody filter system calls.
int run(std::span<sock_filter> filter, char** command) {
  sock_fprog const program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 77;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 77;
  ::execv(command[0], command);
  return 9;
}

// clone3, whose flags no filter sees, is told to be missing: the C library then takes clone.
int refuse_threads(char** command) {
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 3, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
                    sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 2),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  return run(filter, command);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr unsigned pidfd_send_signal = 424;
  constexpr unsigned pidfd_open = 434;
  constexpr unsigned close_range = 436;
  constexpr unsigned epoll_pwait2 = 441;
  if (argc < 3) return 2;
  if (std::strcmp(argv[1], "threads") == 0) return refuse_threads(argv + 2);
  auto const error = static_cast<unsigned>(std::atoi(argv[1]));
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pidfd_send_signal, 4, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pidfd_open, 3, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, close_range, 2, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, epoll_pwait2, 1, 0),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error)};
  return run(filter, argv + 2);
}
