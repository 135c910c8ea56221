# shellcheck shell=bash
# Sourced by the benches in this folder, after machine.sh: the real tables, and which columns of each
# are target and features.

# describe TABLE: sets file, source, target and arguments.
describe() {
  file=$1 source=$1 arguments=''
  case $1 in
    adult) target=income ;;
    # The length of a call is only known after it.
    bank) target=y arguments=", exclude => '{duration}'" ;;
    cardio) target=cardio arguments=", exclude => '{id}'" ;;
    criteo | diabetes_ids | frappe | kddcup99) target=label ;;
    diabetes)
      target=readmitted_any source=diabetes_any
      arguments=", exclude => '{encounter_id,patient_nbr,readmitted}'"
      ;;
    california) target=median_house_value ;;
    diamonds) target=price ;;
    *) fail "no table $1" ;;
  esac
}

# prepare_table TABLE: describes it, and loads it unless it is there.
prepare_table() {
  describe "$1"
  has_table "$file" || "$root/scripts/load.sh" "$file" ${TRAILS_DATA:+"$TRAILS_DATA"} >&2
  if [ "$source" = diabetes_any ]; then
    ask "CREATE OR REPLACE VIEW diabetes_any AS
         SELECT *, readmitted <> 'NO' AS readmitted_any FROM diabetes"
  fi
}

# afresh ARGUMENTS: these arguments of model_selection, and that it must not look at earlier runs: else
# a bench would find the answers of its own seeds before. Not where they say what options there are.
afresh() {
  case $1 in
    *options*) echo "$1" ;;
    *) echo "$1, options => '{\"history\": false}'" ;;
  esac
}
