/* What of a file no layer computes, all of it in one sentence: who has to change a network wants to know how much. */
#include <string.h>

#include "base/json.h"
#include "deploy/onnx/import_onnx_graph.h"

/* Names are told up to here, kinds up to there, so that the sentence fits the message. */
enum { NAMED_BYTES = 500, LIST_BYTES = 640 };

static const char *node_name(const ImportNode *n)
{
    const Onnx__NodeProto *p = n->proto;
    return onnx_text(p->name)[0] != '\0' || p->n_output == 0 ? onnx_text(p->name) : onnx_text(p->output[0]);
}

/* "Gemm: transA: 1" of "m.onnx: node "fc" (op Gemm): transA: 1; must be 0", where that is the message. */
static const char *kind_of(const Import *im, const ImportNode *n)
{
    const char *op = arena_printf(im->arena, "%.60s", onnx_text(n->proto->op_type));
    const char *place = arena_printf(im->arena, "(op %s): ", op), *at = strstr(status_message(), place);
    if (at == NULL) return op;
    at += strlen(place);
    size_t n_given = 0; /* up to "; ", after which stands what is required */
    while (at[n_given] != '\0' && strncmp(at + n_given, "; ", 2) != 0) n_given++;
    return arena_printf(im->arena, "%s: %.*s", op, (int)n_given, at);
}

void import_refusal_add(Import *im, ImportRefusals *r, const ImportNode *n, Status status, const char *kind)
{
    if (r->nodes++ == 0) r->first = arena_strdup(im->arena, status_message()), r->code = status;
    if (kind == NULL) kind = kind_of(im, n);
    int i = 0;
    while (i < r->kinds && strcmp(r->kind[i].text, kind) != 0) i++;
    if (i == IMPORT_REFUSED_KINDS) return;
    if (i == r->kinds) r->kind[r->kinds++] = (ImportRefusedKind){.text = kind};
    ImportRefusedKind *k = &r->kind[i];
    if (k->nodes < IMPORT_REFUSED_NAMES) k->name[k->nodes] = json_quote(im->arena, node_name(n));
    k->nodes++;
}

Status import_refusal_end(const Import *im, const ImportRefusals *r)
{
    if (r->nodes == 0) return STATUS_OK;
    if (r->nodes == 1) return status_fail(r->code, "%s", r->first);
    const char *list = "";
    int told = 0;
    for (int i = 0; i < r->kinds && strlen(list) < LIST_BYTES; i++) {
        const ImportRefusedKind *k = &r->kind[i];
        list = arena_printf(im->arena, "%s%s%d %s", list, i == 0 ? "" : ", ", k->nodes, k->text);
        told += k->nodes;
        if (strlen(list) > NAMED_BYTES) continue;
        for (int j = 0; j < k->nodes && j < IMPORT_REFUSED_NAMES; j++)
            list = arena_printf(im->arena, "%s%s%s", list, j == 0 ? " (" : ", ", k->name[j]);
        list = arena_printf(im->arena, "%s%s)", list, k->nodes > IMPORT_REFUSED_NAMES ? ", ..." : "");
    }
    if (told < r->nodes) list = arena_printf(im->arena, "%s and %d more", list, r->nodes - told);
    return status_fail(r->code, "%s: %d nodes that no layer computes: %s; the network must do without them", im->path,
                       r->nodes, list);
}
