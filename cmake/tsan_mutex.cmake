# Debian's abseil isn't built with ThreadSanitizer, which then sees no lock of absl::Mutex and takes
# every guarded field for a race. tsan_mutex.cc stands before the shared library and tells it.
add_library(tsan_mutex OBJECT ${CMAKE_SOURCE_DIR}/cmake/tsan_mutex.cc)
target_compile_options(tsan_mutex PRIVATE -Wno-thread-safety -Wno-thread-safety-analysis)
link_libraries($<TARGET_OBJECTS:tsan_mutex> ${CMAKE_DL_LIBS})
