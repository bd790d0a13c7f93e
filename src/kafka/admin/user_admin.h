// Users with SCRAM credentials as an operator sees and changes them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kafka/admin/admin_client.h"
#include "security/scram.h"

namespace ms::kafka {

struct UserListing {
  std::string name;
  std::map<security::ScramMechanism, int> iterations;  // of each credential
};

struct NewPassword {
  std::string password;
  std::set<security::ScramMechanism> mechanisms;
  int iterations = 0;
};

// Errors of all: those of AdminClient::call and of admin_error.h.
Result<std::vector<UserListing>> list_users(AdminClient& client);  // by name
// Errors: kNotFound with the nearest name.
Result<UserListing> find_user(AdminClient& client, const std::string& name);

// From now on the user has this password for these mechanisms and no other credential. `now`: what it has; a user that is not there has
// a name only. The password does not leave this program.
Result<> set_password(AdminClient& client, const UserListing& now, const NewPassword& wanted);
Result<> delete_user(AdminClient& client, const UserListing& now);

}  // namespace ms::kafka
