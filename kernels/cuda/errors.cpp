// SPDX-License-Identifier: Apache-2.0
#include "cuda/errors.hpp"

namespace yonder::kernels::cuda {

failure classify(int code) noexcept {
  switch (code) {
    case 0: return failure::none;
    case 2: return failure::out_of_memory;  // cudaErrorMemoryAllocation
    case 3:                                 // cudaErrorInitializationError
    case 34:                                // cudaErrorStubLibrary
    case 35:                                // cudaErrorInsufficientDriver
    case 36:                                // cudaErrorCallRequiresNewerDriver
    case 46:                                // cudaErrorDevicesUnavailable
    case 100:                               // cudaErrorNoDevice
    case 101:                               // cudaErrorInvalidDevice
    case 209:                               // cudaErrorNoKernelImageForDevice
    case 222:                               // cudaErrorUnsupportedPtxVersion
    case 802:                               // cudaErrorSystemNotReady
    case 803:                               // cudaErrorSystemDriverMismatch
    case 804:                               // cudaErrorCompatNotSupportedOnDevice
    case 805:                               // cudaErrorMpsConnectionFailed
    case 807:                               // cudaErrorMpsServerNotReady
    case 808:                               // cudaErrorMpsMaxClientsReached
    case 809:                               // cudaErrorMpsMaxConnectionsReached
      return failure::unavailable;
    case 214:  // cudaErrorECCUncorrectable
    case 220:  // cudaErrorNvlinkUncorrectable
    case 226:  // cudaErrorContained
    case 700:  // cudaErrorIllegalAddress
    case 702:  // cudaErrorLaunchTimeout
    case 709:  // cudaErrorContextIsDestroyed
    case 710:  // cudaErrorAssert
    case 714:  // cudaErrorHardwareStackError
    case 715:  // cudaErrorIllegalInstruction
    case 716:  // cudaErrorMisalignedAddress
    case 717:  // cudaErrorInvalidAddressSpace
    case 718:  // cudaErrorInvalidPc
    case 719:  // cudaErrorLaunchFailure
    case 721:  // cudaErrorTensorMemoryLeak
    case 806:  // cudaErrorMpsRpcFailure
    case 810:  // cudaErrorMpsClientTerminated
    case 999:  // cudaErrorUnknown
      return failure::lost;
    default: return failure::failed;
  }
}

void raise(int code, char const* name, std::string const& what) {
  std::string const text = what + ": " + name + " (CUDA error " + std::to_string(code) + ")";
  switch (classify(code)) {
    case failure::none: return;
    case failure::unavailable: throw ml::gpu_unavailable(text + "; use the device cpu, or mend the driver");
    case failure::out_of_memory:
      throw ml::gpu_out_of_memory(text + "; send smaller batches, or free the GPU");
    case failure::lost: throw ml::gpu_unusable(text + "; replace this process");
    case failure::failed: throw ml::gpu_error(text);
  }
}

}  // namespace yonder::kernels::cuda
