// Access control lists as an operator sees and changes them.
#pragma once

#include <set>
#include <vector>

#include "kafka/admin/admin_client.h"
#include "security/acl.h"

namespace ms::kafka {

// Errors of all: those of AdminClient::call and of admin_error.h.

// What fits one of the filters.
Result<std::set<security::Acl>> list_acls(AdminClient& client, const std::vector<security::AclFilter>& filters);

// Those that are there already stay. Errors: the first that is refused, with how many were made all the same.
Result<> create_acls(AdminClient& client, const std::set<security::Acl>& acls);

struct DeletedAcls {
  std::set<security::Acl> deleted;
  std::vector<Error> kept;  // what fits and cannot go: it stands in the server's security file, say
};
// What fits one of the filters.
Result<DeletedAcls> delete_acls(AdminClient& client, const std::vector<security::AclFilter>& filters);

}  // namespace ms::kafka
