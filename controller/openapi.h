/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENAPI_H
#define OPENAPI_H 1

/* /openapi.json: what resource.h says, as OpenAPI 3.1 has it. */

struct json;

/* Returns the document.  The caller destroys it. */
struct json *openapi_create(void);

#endif /* openapi.h */
