# Message structs from the tables in messages/: build/<preset>/generated/kafka/messages/<name>.h
set(generated_dir ${CMAKE_BINARY_DIR}/generated)
file(GLOB message_tables CONFIGURE_DEPENDS ${dir}/messages/*.txt)
set(message_headers ${generated_dir}/kafka/messages/all.h)
foreach(table IN LISTS message_tables)
  get_filename_component(stem ${table} NAME_WE)
  string(SUBSTRING ${stem} 3 -1 stem)
  list(APPEND message_headers ${generated_dir}/kafka/messages/${stem}.h)
endforeach()
add_custom_command(OUTPUT ${message_headers}
  COMMAND ${MS_PYTHON} ${dir}/messages/generate.py ${dir}/messages ${generated_dir}/kafka/messages
  DEPENDS ${message_tables} ${dir}/messages/generate.py
  COMMENT "Kafka messages")
list(APPEND sources ${message_headers})
list(APPEND tests ${message_headers})
