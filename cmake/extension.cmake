# trails.so, and where the libraries, the script and LibTorch go.
file(GLOB EXTENSION_SOURCES CONFIGURE_DEPENDS src/pg/*.cpp src/sql/*.cpp)
add_library(trails MODULE ${EXTENSION_SOURCES})
target_include_directories(trails SYSTEM PRIVATE "${PG_INCLUDE}")
# PostgreSQL 15 exports nothing by itself under -fvisibility=hidden.
target_compile_definitions(trails PRIVATE "PGDLLEXPORT=__attribute__((visibility(\"default\")))")
target_link_libraries(trails PRIVATE trails_base trails_warnings)
set_target_properties(trails PROPERTIES PREFIX "")
add_dependencies(libraries trails)

# scripts/install.sh stages the component `extension` and links or copies LibTorch itself,
# because copying 450 MB at each installation is slow.
install(TARGETS trails trails_engine COMPONENT extension
        LIBRARY DESTINATION "${PG_PKGLIBDIR}" NAMELINK_SKIP)
if(TARGET trails_cuda)
  install(TARGETS trails_cuda COMPONENT extension LIBRARY DESTINATION "${PG_PKGLIBDIR}" NAMELINK_SKIP)
endif()
install(FILES trails.control COMPONENT extension DESTINATION "${PG_SHAREDIR}/extension")
install(DIRECTORY sql/ COMPONENT extension DESTINATION "${PG_SHAREDIR}/extension"
        FILES_MATCHING PATTERN "trails--*.sql")
file(GLOB TORCH_LIBRARIES CONFIGURE_DEPENDS "${TRAILS_TORCH_ROOT}/torch/lib/libtorch_cpu.so"
     "${TRAILS_TORCH_ROOT}/torch/lib/libc10.so" "${TRAILS_TORCH_ROOT}/torch/lib/libgomp*.so*")
install(FILES ${TORCH_LIBRARIES} COMPONENT libtorch DESTINATION "${PG_PKGLIBDIR}/trails/torch/lib")
install(DIRECTORY "${TRAILS_TORCH_ROOT}/nvidia" COMPONENT libtorch
        DESTINATION "${PG_PKGLIBDIR}/trails")
