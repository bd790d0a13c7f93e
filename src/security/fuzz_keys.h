// The issuer of the tokens in the fuzzers' corpora: public keys. Its private ones are gone; the tokens are good until 2100.
#pragma once

#include "security/jwt.h"

namespace ms::security {

inline constexpr const char* kFuzzJwks =
    R"({"keys":[{"kty":"EC","kid":"e","crv":"P-256","x":"i5yJmPpYBUjj9pL11rE5-t3nKB8-880RVBYRcdODVIQ","y":"ev5IPih2rRzoWY84AFvn8w5Kdi9F1-lQJyCoQdVfwls"},)"
    R"({"kty":"RSA","kid":"r","use":"sig","n":"40i5UbubVKMWwMVKDn-2M56A7KNe6cWoMuX-DCl9DXCIa98zeXE19_chOZ572ib0uZ-s-5HjaPQvG1jcpvr_wTidIgblK91AA5Z2eKLN_yZd3d-NhTYgPg9w4Z6CfPjk-jiUsS0avMWfHR6OU1mU4N7FoDKZYXSQdxV9MdDIV41CJz25LPcc1Od8DmIbgIOu551GImzDuYfvVwPj3QXS87uJrgckdRWXVaicuFvpH5tT-2FCMo1jVJepex-cW0kRxzgPigIKJx8GrKMbtBv0EwiBRQY__h7XQTxULq_fUyauVEJkoldD2NJ2gfh_8dYPOdcZ_163c5eQknekJ7wv0w","e":"AQAB"}]})";

inline OauthSettings fuzz_settings() { return {.jwks = "", .issuer = "issuer", .audience = "millstream"}; }

}  // namespace ms::security
