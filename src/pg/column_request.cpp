// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
#include "pg/column_request.h"

extern "C" {
#include "access/relation.h"
#include "catalog/heap.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

#include <algorithm>
#include <span>
#include <string_view>

#include "core/space/name_hint.h"
#include "core/space/similar_word.h"
#include "pg/column_type.h"

namespace trails::pg {

namespace {

// One attribute as the catalog has it. Plain data, palloc'd.
struct Attribute {
  const char *name;
  const char *sql_type;
  Oid type;
  bool supported;
  bool readable;  // the caller may read it; others are not shown in hints
  ColumnKind kind;
};

struct Relation {
  const char *schema;
  const char *name;
  char relkind;
  int count;
  Attribute *attributes;  // [count], without dropped ones
};

bool HoldsRows(char relkind) {
  return relkind == RELKIND_RELATION || relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW ||
         relkind == RELKIND_PARTITIONED_TABLE || relkind == RELKIND_FOREIGN_TABLE;
}

void CheckRelation(Oid relation) {
  const char relkind = get_rel_relkind(relation);
  if (relkind == '\0') {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation with OID %u does not exist", relation)));
  }
  if (!HoldsRows(relkind)) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("cannot read rows of relation \"%s\"", get_rel_name(relation)),
                    errdetail_relkind_not_supported(relkind)));
  }
  // The scan checks again; here it keeps names from those who may not see them, and the lock.
  if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
      pg_attribute_aclcheck_all(relation, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK) {
    aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(relkind), get_rel_name(relation));
  }
}

Attribute Describe(FormData_pg_attribute *column, Oid relation, bool all_readable) {
  const ValueReader reader = ResolveValueReader(column->atttypid, CurrentMemoryContext);
  Attribute attribute;
  attribute.name = pstrdup(NameStr(column->attname));
  attribute.sql_type = format_type_with_typemod(column->atttypid, column->atttypmod);
  attribute.type = column->atttypid;
  attribute.supported = reader.supported();
  attribute.readable = all_readable || pg_attribute_aclcheck(relation, column->attnum, GetUserId(),
                                                             ACL_SELECT) == ACLCHECK_OK;
  attribute.kind = reader.kind;
  return attribute;
}

// Locks the relation until the end of the transaction.
Relation LookUp(Oid oid) {
  CheckRelation(oid);
  ::Relation const relation = try_relation_open(oid, AccessShareLock);
  if (relation == nullptr) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", oid)));
  }
  const bool all_readable = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
  TupleDesc const row = RelationGetDescr(relation);
  Relation found;
  found.schema = get_namespace_name(RelationGetNamespace(relation));
  found.name = pstrdup(RelationGetRelationName(relation));
  found.relkind = relation->rd_rel->relkind;
  found.count = 0;
  found.attributes = static_cast<Attribute *>(palloc(sizeof(Attribute) * (row->natts + 1)));
  for (int i = 0; i < row->natts; ++i) {
    FormData_pg_attribute *const column = TupleDescAttr(row, i);
    if (!column->attisdropped) {
      found.attributes[found.count++] = Describe(column, oid, all_readable);
    }
  }
  relation_close(relation, NoLock);
  return found;
}

std::vector<std::string> ReadableNames(std::span<const Attribute> attributes) {
  std::vector<std::string> names;
  for (const Attribute &attribute : attributes) {
    if (attribute.readable) names.emplace_back(attribute.name);
  }
  return names;
}

// Resolves the names of one request.
class Resolver {
 public:
  Resolver(const ReadRequest &request, const Relation &relation)
      : request_(request),
        relation_(relation),
        attributes_(relation.attributes, static_cast<std::size_t>(relation.count)) {}

  ResolvedRequest Resolve() {
    resolved_.relation = Quoted(relation_.schema) + "." + Quoted(relation_.name);
    resolved_.schema = relation_.schema;
    resolved_.name = relation_.name;
    resolved_.relkind = relation_.relkind;
    CheckLists();
    if (!request_.target.empty()) resolved_.target = Named(request_.target);
    if (!request_.group.empty()) resolved_.group = Named(request_.group);
    if (!request_.split.empty()) resolved_.split = Column(Find(request_.split));
    if (!request_.key.empty()) CheckKey();
    if (!request_.inputs.empty()) {
      AddInputs();
    } else if (request_.features) {
      AddNamedFeatures();
    } else {
      AddEveryFeature();
    }
    if (resolved_.features.empty()) ThrowNoFeature();
    return std::move(resolved_);
  }

 private:
  // Pairs of wishes that contradict each other.
  void CheckLists() const {
    const std::vector<std::string> none;
    const std::vector<std::string> &features = request_.features ? *request_.features : none;
    for (const auto *list : {&features, &request_.exclude}) {
      for (auto name = list->begin(); name != list->end(); ++name) {
        (void)Find(*name);
        if (std::find(list->begin(), name, *name) != name) {
          throw Error(
              ErrorKind::kInvalidArgument, "column " + Quoted(*name) + " is named twice",
              list == &features ? "It stands twice in features." : "It stands twice in exclude.");
        }
      }
    }
    CheckRole(request_.target, "target", features);
    CheckRole(request_.split, "split column", features);
    CheckRole(request_.group, "group_by column", features);
    for (const std::string &name : request_.exclude) {
      if (std::find(features.begin(), features.end(), name) != features.end()) {
        throw Error(ErrorKind::kInvalidArgument,
                    "column " + Quoted(name) + " is both in features and in exclude");
      }
    }
    if (!request_.target.empty() &&
        (request_.target == request_.split || request_.target == request_.group)) {
      throw Error(ErrorKind::kInvalidArgument,
                  "target " + Quoted(request_.target) + " cannot be the split or group_by column",
                  "What decides on which side a row stands must not be what is predicted.");
    }
  }

  void CheckRole(const std::string &name, const char *role,
                 const std::vector<std::string> &features) const {
    if (name.empty()) return;
    const auto in = [&name](const std::vector<std::string> &list) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    if (in(features)) {
      throw Error(ErrorKind::kInvalidArgument,
                  std::string(role) + " " + Quoted(name) + " is among the features", {},
                  "Leave it out of features.");
    }
    if (role == std::string_view("target") && in(request_.exclude)) {
      throw Error(ErrorKind::kInvalidArgument, "target " + Quoted(name) + " is in exclude",
                  "The target is never a feature, so it need not be excluded.",
                  "Leave it out of exclude.");
    }
  }

  // A system column may be the key too.
  void CheckKey() const {
    const char *const key = request_.key.c_str();
    if (CallPg([=] { return SystemAttributeByName(key); }) != nullptr) return;
    if (Find(request_.key).readable) return;
    const ObjectType type = get_relkind_objtype(relation_.relkind);
    const char *const relation = relation_.name;
    CallPg([=] { aclcheck_error(ACLCHECK_NO_PRIV, type, relation); });
  }

  const Attribute &Find(const std::string &name) const {
    for (const Attribute &attribute : attributes_) {
      if (name == attribute.name) return attribute;
    }
    throw Error(
        ErrorKind::kUndefinedColumn,
        "column " + Quoted(name) + " of relation " + Quoted(relation_.name) + " does not exist", {},
        ColumnHint(ReadableNames(attributes_), name));
  }

  static ResolvedColumn Column(const Attribute &attribute) {
    return ResolvedColumn{attribute.name, attribute.sql_type, attribute.type, attribute.kind};
  }

  // A column asked for by name: its type must be supported.
  ResolvedColumn Named(const std::string &name) const {
    const Attribute &attribute = Find(name);
    if (!attribute.supported) {
      throw Error(ErrorKind::kNotSupported,
                  "column " + Quoted(name) + " is of type " + attribute.sql_type +
                      ", which is not supported",
                  {},
                  "Columns may be of integer, floating-point, numeric, boolean, text, enum, uuid, "
                  "date, timestamp and interval types; a view can convert others.");
    }
    return Column(attribute);
  }

  bool IsFeature(const Attribute &attribute) const {
    const std::string_view name = attribute.name;
    return name != request_.target && name != request_.split && name != request_.group;
  }

  void AddInputs() {
    for (const InputColumn &input : request_.inputs) {
      ResolvedColumn column = Named(input.name);
      if (!KindsAreConvertible(column.kind, input.kind)) {
        throw Error(ErrorKind::kInvalidArgument,
                    "column " + Quoted(input.name) + " is of type " + column.sql_type +
                        ", which the model cannot use",
                    "The model was trained with a column of type " + input.sql_type + ".");
      }
      column.kind = input.kind;
      resolved_.features.push_back(std::move(column));
    }
  }

  void AddNamedFeatures() {
    const std::vector<std::string> &names = *request_.features;
    for (const Attribute &attribute : attributes_) {
      if (std::find(names.begin(), names.end(), attribute.name) != names.end()) {
        resolved_.features.push_back(Named(attribute.name));
      }
    }
  }

  void AddEveryFeature() {
    const std::vector<std::string> &exclude = request_.exclude;
    for (const Attribute &attribute : attributes_) {
      if (!IsFeature(attribute) ||
          std::find(exclude.begin(), exclude.end(), attribute.name) != exclude.end()) {
        continue;
      }
      if (attribute.supported) {
        resolved_.features.push_back(Column(attribute));
      } else {
        resolved_.skipped_columns.push_back(std::string(attribute.name) + " (" +
                                            attribute.sql_type + ")");
      }
    }
  }

  [[noreturn]] void ThrowNoFeature() const {
    throw Error(ErrorKind::kBadData, "relation " + Quoted(relation_.name) + " has no feature left",
                "Features are the columns of a supported type that are neither the target, the "
                "split or group_by column, nor excluded.");
  }

  const ReadRequest &request_;
  const Relation &relation_;
  const std::span<const Attribute> attributes_;
  ResolvedRequest resolved_;
};

}  // namespace

std::string Quoted(const std::string &name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string ColumnHint(std::span<const std::string> names, const std::string &wanted) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string_view similar = MostSimilar(wanted, known);
  if (!similar.empty()) return "Perhaps you meant " + Quoted(std::string(similar)) + ".";
  std::vector<std::string> quoted;
  for (const std::string &name : names) quoted.push_back(Quoted(name));
  return names.empty() ? std::string() : "The columns are " + ListNames(quoted) + ".";
}

ResolvedRequest DescribeColumns(const ReadRequest &request) {
  const Oid oid = request.relation;
  const Relation relation = CallPg([=] { return LookUp(oid); });
  return Resolver(request, relation).Resolve();
}

}  // namespace trails::pg
