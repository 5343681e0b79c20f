// SPDX-License-Identifier: Apache-2.0
//
// refuse ERROR PROGRAM: runs a program where newer system calls fail, with the number of an error, as on an
// old kernel or under an old profile of a container: pidfd_open, pidfd_send_signal, close_range,
// epoll_pwait2.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>

int main(int argc, char** argv) {
  constexpr unsigned pidfd_send_signal = 424;
  constexpr unsigned pidfd_open = 434;
  constexpr unsigned close_range = 436;
  constexpr unsigned epoll_pwait2 = 441;
  if (argc < 3) return 2;
  auto const error = static_cast<unsigned>(std::atoi(argv[1]));
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pidfd_send_signal, 4, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pidfd_open, 3, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, close_range, 2, 0),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, epoll_pwait2, 1, 0),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error)};
  sock_fprog const program{filter.size(), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 77;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 77;
  ::execv(argv[2], argv + 2);
  return 9;
}
