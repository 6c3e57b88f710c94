# Read by CMake right after `project("llama.cpp")` (CMAKE_PROJECT_llama.cpp_INCLUDE, set by the Makefile).
# llama-cpp-python forces llama.cpp's common library (argument parsing, downloads, chat parsers: most of the compile) into the
# build, though its bindings never load it. A normal variable shadows the forced cache entry.
set(LLAMA_BUILD_COMMON OFF)

# Some virtual machines name AMX among the processor's features and then refuse its instructions: the first decode would end
# the worker. GGML_NATIVE believes the processor; here one instruction is tried, and AMX is left out where it fails.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64" AND GGML_NATIVE AND NOT MSVC)
    include(CheckCXXSourceRuns)
    set(CMAKE_REQUIRED_FLAGS "-march=native")
    set(CMAKE_REQUIRED_QUIET ON)
    check_cxx_source_runs("
        #if defined(__AMX_TILE__) && defined(__linux__)
        #include <immintrin.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int main() {
            // ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA, as ggml asks for it
            if (syscall(SYS_arch_prctl, 0x1023, 18) == 0) { _tile_zero(0); _tile_release(); }
            return 0;
        }
        #else
        int main() { return 0; }
        #endif
        " GREFFIER_AMX_IS_WHAT_IT_SAYS)
    unset(CMAKE_REQUIRED_FLAGS)
    unset(CMAKE_REQUIRED_QUIET)
    if(NOT GREFFIER_AMX_IS_WHAT_IT_SAYS)
        message(STATUS "AMX is named by the processor and does not run: left out")
        add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-mno-amx-tile> $<$<COMPILE_LANGUAGE:C,CXX>:-mno-amx-int8>
            $<$<COMPILE_LANGUAGE:C,CXX>:-mno-amx-bf16>)
    endif()
endif()
