#include "util/transient.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace mtpgraft {

bool is_transient(int number) {
  // Not EMFILE, which is a limit of this program, ENOSPC and EDQUOT, for which somebody has to make space, and EIO,
  // which disks answer that fail.
  constexpr auto kNumbers = std::to_array({
      EINTR,       EAGAIN,    EWOULDBLOCK,  EBUSY,        ETXTBSY,      EDEADLK,    ENOLCK,
      ENOMEM,      ENOBUFS,   ENFILE,       ESTALE,       ETIMEDOUT,    ENETDOWN,   ENETRESET,
      ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ECONNABORTED, ECONNREFUSED, ECONNRESET,
  });
  return std::ranges::find(kNumbers, number) != kNumbers.end();
}

}  // namespace mtpgraft
