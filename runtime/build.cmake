# Read by CMake right after `project("llama.cpp")` (CMAKE_PROJECT_llama.cpp_INCLUDE, set by the Makefile).
# llama-cpp-python forces llama.cpp's common library (argument parsing, downloads, chat parsers: most of the compile) into the
# build, though its bindings never load it. A normal variable shadows the forced cache entry.
set(LLAMA_BUILD_COMMON OFF)
